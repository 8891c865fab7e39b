//! A swap in the whole product. `enforced` is what a policy admin waits for: from the order to the controller to its word that the
//! node enforces the module, which was pushed before; nobody works meanwhile. `storm-commands` is what 50 operators notice, each of
//! whom runs one command after the other over ssh, while two modules take turns as fast as that goes, and `enforced-in-storm` the
//! same wait then; the machine has no processor to spare in either half.

use super::Plan;
use super::ground::Ground;
use super::samples::Samples;
use super::table::{Row, Unit};
use anyhow::{Context as _, Result};
use portcullis_tests::policies::{Admin, Controller};
use portcullis_tests::storm;
use std::time::{Duration, Instant};

const SESSIONS: usize = 50;
/// Sessions that one access may have at a time.
const OF_ONE_ACCESS: usize = 16;
const ACTIVATIONS: usize = 200;
/// How long the sessions work without a swap.
const QUIET: Duration = Duration::from_secs(10);

/// All rows.
pub(super) fn measure(ground: &Ground, plan: &Plan) -> Result<Vec<Row>> {
    let admin = Admin::new()?;
    let stage = ground.another(&admin.configuration())?;
    let controller = Controller::of(&stage)?;
    let modules = [admin.push(&stage, &admin.variant(&stage, "one")?)?, admin.push(&stage, &admin.variant(&stage, "other")?)?];
    // until the second is in force, the judge may be compiling
    controller.activate(&modules[0], None)?;
    controller.activate(&modules[1], Some(&modules[0]))?;
    let alternate = |samples: &mut Samples| -> Result<()> {
        let turns = modules.iter().cycle().skip(1).zip(modules.iter().cycle()).take(ACTIVATIONS);
        let activate = |(active, next): (&String, &String)| {
            let begun = Instant::now();
            controller.activate(next, Some(active)).map(|_| nanoseconds(begun.elapsed()))
        };
        samples.add(turns.map(activate).collect::<Result<Vec<_>>>()?);
        Ok(())
    };
    let (mut alone, mut stormy) = (Samples::default(), Samples::default());
    alternate(&mut alone)?;
    let accesses = (0..SESSIONS.div_ceil(OF_ONE_ACCESS)).map(|_| stage.grant("INFRA_DIAG")).collect::<Result<Vec<_>>>()?;
    let commands = |meanwhile: &mut dyn FnMut() -> Result<()>| -> Result<Samples> {
        let ran = storm::during(&accesses, SESSIONS, meanwhile).with_context(|| stage.output())?;
        let mut samples = Samples::default();
        // each one's first command ran before there were all
        samples.add(ran.iter().flat_map(|ran| ran.taken.iter().skip(1)).map(|taken| nanoseconds(*taken)).collect());
        Ok(samples)
    };
    let quiet = commands(&mut || {
        std::thread::sleep(QUIET);
        Ok(())
    })?;
    let swapped = commands(&mut || alternate(&mut stormy))?;
    let peer = format!("the same without swaps, p99 {:.1} ms", quiet.percentile(0.99) / 1e6);
    let rows = [
        Row::new("enforced", Unit::Ms, &alone, None),
        Row::new("enforced-in-storm", Unit::Ms, &stormy, Some(("with nobody at work", &alone))),
        Row::new("storm-commands", Unit::Ms, &swapped, Some((&peer, &quiet))),
    ];
    Ok(rows.into_iter().filter(|row| plan.wants(&row.name)).collect())
}

#[expect(clippy::cast_precision_loss, reason = "a time of less than a month")]
fn nanoseconds(time: Duration) -> f64 {
    time.as_nanos() as f64
}
