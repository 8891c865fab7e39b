//! Alerts, carried: each is kept until the controller says that it has it, and told again after each greeting until then.
//!
//! What is kept is bounded. Sessions are limited in how many alerts they raise; were a node still to have more than fit while its controller
//! is away, the newest are not kept, and the recordings have them.

use super::Outbox;
use portcullis_model::alert::Alert;
use portcullis_model::id::SessionId;
use portcullis_model::wire::link::FromNode;
use std::collections::BTreeMap;

/// Most alerts that are kept: some tens of MiB at worst.
const KEPT: usize = 2048;

/// Those that the controller does not have yet.
#[derive(Debug)]
pub(super) struct Alerts {
    outbox: Outbox,
    kept: BTreeMap<(SessionId, u64), Box<Alert>>,
}

impl Alerts {
    pub(super) fn new(outbox: Outbox) -> Self {
        Self { outbox, kept: BTreeMap::new() }
    }

    /// A session raised one.
    pub(super) fn raised(&mut self, alert: Box<Alert>) {
        if self.kept.len() >= KEPT {
            tracing::error!(session = %alert.session, number = alert.number, "an alert is not told: the controller has not taken {KEPT} earlier ones");
            return;
        }
        self.outbox.push(FromNode::Alert(alert.clone()));
        self.kept.insert((alert.session.clone(), alert.number), alert);
    }

    /// The controller has one.
    pub(super) fn taken(&mut self, session: &SessionId, number: u64) {
        self.kept.remove(&(session.clone(), number));
    }

    /// There is a link, and it was greeted: what the controller does not have is said again.
    pub(super) fn linked(&mut self) {
        for alert in self.kept.values() {
            self.outbox.push(FromNode::Alert(alert.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::alert::AlertKind;
    use portcullis_model::id::GrantId;
    use portcullis_model::time::UnixMs;

    fn alert(number: u64) -> Box<Alert> {
        let (session, grant) = (SessionId::from_entropy([1; 10]), GrantId::from_entropy([1; 10]));
        Box::new(Alert { session, grant, target: "node1".into(), number, at: UnixMs(1), kind: AlertKind::Suppressed, pid: 0, exec: None, chain: vec![], suppressed: 1 })
    }

    #[tokio::test]
    async fn an_alert_is_told_again_until_it_is_taken() {
        let outbox = Outbox::default();
        let mut alerts = Alerts::new(outbox.clone());
        alerts.raised(alert(1));
        alerts.raised(alert(2));
        for expected in [1, 2] {
            let (number, told) = outbox.oldest().await;
            assert!(matches!(&told, FromNode::Alert(alert) if alert.number == expected), "{told:?}");
            outbox.sent(number);
        }
        // sent, and lost with the connection
        alerts.taken(&alert(1).session, 1);
        alerts.linked();
        alerts.linked();
        let (number, told) = outbox.oldest().await;
        assert!(matches!(told, FromNode::Alert(alert) if alert.number == 2));
        outbox.sent(number);
        outbox.emptied().await;
        for number in 0..KEPT as u64 + 10 {
            alerts.raised(alert(number + 10));
        }
        assert_eq!(alerts.kept.len(), KEPT);
    }
}
