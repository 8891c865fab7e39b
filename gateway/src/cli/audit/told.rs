//! An entry of the audit log in a few words.

use super::super::request::word;
use portcullis_model::audit::AuditEvent;

/// What happened; not made printable yet.
pub(super) fn told(event: &AuditEvent) -> String {
    match event {
        AuditEvent::Opened { target, role, program, torn } => {
            let torn = if *torn == 0 { String::new() } else { format!(", {torn} torn bytes cut off") };
            format!("warden {program} of {target} ({role}) started{torn}")
        }
        AuditEvent::GrantAdmitted { grant, request, operator, action, account, .. } => format!("{grant} of {request}: {operator} for {action} as {account}"),
        AuditEvent::GrantRevoked { grant, by, reason, ending, .. } => format!("{grant} {} by {by}: {reason}", word(ending)),
        AuditEvent::RevocationDone { grant, sessions, killed, survivors, micros } => {
            format!("{grant}: {} sessions, killed {killed}, survivors {survivors}, {:.1} ms", sessions.len(), *micros as f64 / 1000.0)
        }
        AuditEvent::SessionAdmitted { facts, purpose } => {
            format!("{} for {} from {} under {} ({})", facts.operator, facts.action, facts.source, facts.grant, word(purpose))
        }
        AuditEvent::RecordingGrew { frames, head, .. } => format!("{frames} frames, {head}"),
        AuditEvent::SessionEnded { cause, killed, survivors, micros, .. } => {
            format!("{}, killed {killed}, survivors {survivors}, {:.1} ms", word(cause), *micros as f64 / 1000.0)
        }
        AuditEvent::RecordingSealed { frames, manifest, damage, .. } => {
            let damage = damage.as_ref().map_or_else(String::new, |damage| format!(", damaged: {damage}"));
            format!("{frames} frames, manifest {manifest}{damage}")
        }
        AuditEvent::RecordingMissing { why, .. } => why.clone(),
        AuditEvent::PolicyAssigned { sequence, modules, .. } => format!("assignment {sequence}, {} modules", modules.len()),
        AuditEvent::Alert { rule, detail, .. } => format!("{rule}: {detail}"),
    }
}
