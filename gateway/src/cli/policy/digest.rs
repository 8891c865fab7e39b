//! A pushed module by its digest, or by the first digits of it.

use super::super::CliError;
use super::super::api::Api;
use portcullis_control::api::types::{Page, PolicyView};
use portcullis_control::domain::policy::module_id::ModuleId;

/// Fewest digits that name a module.
const DIGITS_MIN: usize = 8;

/// The first digits of a digest, as tables show it.
pub(super) fn short(id: &ModuleId) -> String {
    id.to_string().chars().take(12).collect()
}

/// The pushed module whose digest begins with these digits, if there is exactly one.
pub(super) async fn find(api: &Api, digits: &str) -> Result<ModuleId, CliError> {
    if let Ok(id) = digits.parse() {
        return Ok(id);
    }
    let plain = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !plain || !(DIGITS_MIN..64).contains(&digits.len()) {
        return Err(CliError::Usage(format!("{digits:?} is not a module's digest; it takes {DIGITS_MIN} to 64 digits of 0-9 and a-f")));
    }
    let page: Page<PolicyView> = api.get(&format!("/v1/policies?limit=2&digest={digits}")).await?;
    match page.items.as_slice() {
        [one] => Ok(one.digest),
        [] => Err(anyhow::anyhow!("no module whose digest begins with {digits} was pushed; see policy list").into()),
        _ => Err(CliError::Usage(format!("more than one module's digest begins with {digits}"))),
    }
}
