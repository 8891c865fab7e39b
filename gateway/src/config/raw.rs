//! The file as it is written. Values that need more than a type keep their place, so that a complaint can name the line.

use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) data: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) node: Node,
    #[serde(default)]
    pub(super) ssh: Ssh,
    #[serde(default)]
    pub(super) forward: Forward,
    #[serde(default)]
    pub(super) api: Api,
    #[serde(default, rename = "target")]
    pub(super) targets: Vec<Target>,
    #[serde(default)]
    pub(super) users: Users,
    #[serde(default)]
    pub(super) modules: Modules,
    #[serde(default)]
    pub(super) policy: Policy,
    #[serde(default)]
    pub(super) programs: Programs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Node {
    pub(super) target: Option<Spanned<String>>,
    pub(super) role: Option<Spanned<String>>,
    pub(super) userdb: Option<Spanned<String>>,
    pub(super) profiles: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ssh {
    pub(super) listen: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) profile: Option<Spanned<String>>,
    pub(super) login_grace: Option<Spanned<String>>,
    pub(super) max_startups: Option<Spanned<u32>>,
    pub(super) max_startups_per_source: Option<Spanned<u32>>,
    pub(super) max_connections: Option<Spanned<u32>>,
    pub(super) max_sessions: Option<Spanned<u32>>,
    pub(super) keepalive: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Forward {
    #[serde(default)]
    pub(super) near: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Api {
    pub(super) listen: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    pub(super) name: Spanned<String>,
    pub(super) role: Spanned<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Users {
    pub(super) gateway: Option<Spanned<User>>,
    pub(super) judge: Option<Spanned<User>>,
    pub(super) controller: Option<Spanned<User>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a user name or a number")]
pub(super) enum User {
    Number(u32),
    Name(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Modules {
    pub(super) path: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    pub(super) admins: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Programs {
    pub(super) warden: Option<Spanned<String>>,
    pub(super) judge: Option<Spanned<String>>,
    pub(super) shell: Option<Spanned<String>>,
    pub(super) sftp: Option<Spanned<String>>,
    pub(super) forward: Option<Spanned<String>>,
}
