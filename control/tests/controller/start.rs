//! Starting: what is made once and stays, what is refused and leaves nothing half done.

use crate::world::{World, new_request};
use portcullis_control::api::types::{Health, Page, RequestView};
use portcullis_control::{Controller, StartError};
use std::error::Error;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The one line that a person sees.
fn line(error: &StartError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    assert!(!text.contains('\n'), "{text}");
    text
}

async fn refusal(world: &World) -> String {
    line(&Controller::start(world.config()).await.expect_err("the start is refused"))
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn a_restart_goes_on_where_it_was() {
    let world = World::new();
    let running = world.start().await;
    let made = running.create(&new_request()).await;
    let (token, key, node) = (running.token("operator"), world.controller_key(), world.node_token());
    running.stop().await;
    let running = world.start().await;
    assert_eq!((running.token("operator"), world.controller_key(), world.node_token()), (token.clone(), key, node));
    let page: Page<RequestView> = running.get("operator", "/v1/requests").await;
    assert_eq!(page.items, [made]);
    let data = world.config().data;
    for private in ["signing.key", "portcullis.sqlite", "portcullis.sqlite-wal", "node-token", "tokens/operator", "lock"] {
        assert_eq!(mode(&data.join(private)), 0o600, "{private}");
    }
    assert_eq!((mode(&data), mode(&data.join("tokens"))), (0o700, 0o700));
    assert_eq!(mode(&world.config().trust.join("node.token")), 0o640);
    assert_eq!(mode(&world.config().trust.join("controller.pub")), 0o644);
    let books = std::fs::read(data.join("portcullis.sqlite-wal")).unwrap();
    assert!(!books.windows(token.len()).any(|part| part == token.as_bytes()), "the books have no token, only its hash");
    running.stop().await;
    // a token whose file was removed is void
    std::fs::remove_file(data.join("tokens/operator")).unwrap();
    let running = world.start().await;
    assert_ne!(running.token("operator"), token);
    let old = crate::world::client().get(format!("{}/v1/requests", running.url)).bearer_auth(token).send().await.unwrap();
    assert_eq!(old.status(), 401);
    let ready = crate::world::client().get(format!("{}/readyz", running.url)).send().await.unwrap();
    let health: Health = ready.json().await.unwrap();
    assert_eq!(health.status, "ok");
    running.stop().await;
}

#[tokio::test]
async fn two_controllers_do_not_share_their_books() {
    let world = World::new();
    let running = world.start().await;
    assert!(refusal(&world).await.contains("is in use by another controller"));
    running.stop().await;
    world.start().await.stop().await;
}

#[tokio::test]
async fn a_taken_port_leaves_nothing_behind() {
    let world = World::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = world.config();
    config.listen = taken.local_addr().unwrap();
    let error = line(&Controller::start(config.clone()).await.unwrap_err());
    assert_eq!(error, format!("cannot listen on {}: Address already in use (os error 98)", config.listen));
    assert!(!config.data.exists());
}

#[tokio::test]
async fn files_that_others_could_read_or_that_are_damaged_are_refused_by_name() {
    type Spoil<'a> = &'a dyn Fn(&Path);
    let open_to = |path: &Path, bits| std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits)).unwrap();
    let cases: [(&str, Spoil<'_>); 9] = [
        ("controller has mode 0755; it must not be open to group or others (0700)", &|data| open_to(data, 0o755)),
        ("signing.key has mode 0640", &|data| open_to(&data.join("signing.key"), 0o640)),
        ("tokens/auditor has mode 0644", &|data| open_to(&data.join("tokens/auditor"), 0o644)),
        ("portcullis.sqlite has mode 0660", &|data| open_to(&data.join("portcullis.sqlite"), 0o660)),
        ("tokens/operator does not hold a token", &|data| std::fs::write(data.join("tokens/operator"), "x").unwrap()),
        ("signing.key does not hold an Ed25519 key", &|data| std::fs::write(data.join("signing.key"), "x").unwrap()),
        ("controller.pub is there but", &|data| std::fs::remove_file(data.join("signing.key")).unwrap()),
        ("portcullis.sqlite is not a sound database: (code: 26) file is not a database", &|data| {
            std::fs::write(data.join("portcullis.sqlite"), vec![b'x'; 20_000]).unwrap();
        }),
        ("portcullis.sqlite is not a sound database", &|data| {
            // pages in the middle of the file, as a bad disk would leave them
            let mut bytes = std::fs::read(data.join("portcullis.sqlite")).unwrap();
            bytes[4096..12_288].fill(0x5a);
            std::fs::write(data.join("portcullis.sqlite"), bytes).unwrap();
        }),
    ];
    for (expected, spoil) in cases {
        let world = World::new();
        world.start().await.stop().await;
        spoil(&world.config().data);
        let before = std::fs::read(world.config().data.join("portcullis.sqlite")).unwrap();
        let refused = refusal(&world).await;
        assert!(refused.contains(expected), "{expected}: {refused}");
        assert_eq!(std::fs::read(world.config().data.join("portcullis.sqlite")).unwrap(), before, "a damaged file is left as it is");
    }
}

#[tokio::test]
async fn folders_that_are_not_there_are_named() {
    let world = World::new();
    std::fs::remove_dir(world.config().trust).unwrap();
    assert!(refusal(&world).await.ends_with("trust is not a folder"));
    let mut config = World::new().config();
    config.data = "/nowhere/at/all".into();
    assert!(line(&Controller::start(config).await.unwrap_err()).starts_with("cannot make /nowhere/at/all: "));
}

#[tokio::test]
async fn books_of_a_later_version_are_refused() {
    let world = World::new();
    world.start().await.stop().await;
    let path = world.config().data.join("portcullis.sqlite");
    let pool = sqlx::SqlitePool::connect(path.to_str().unwrap()).await.unwrap();
    sqlx::query("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let refused = refusal(&world).await;
    assert!(refused.contains("to this version: migration 9999"), "{refused}");
}
