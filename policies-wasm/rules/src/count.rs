//! How often something was allowed in a session.

use portcullis_sdk::memo;

/// Counts by key, for as long as a session lasts.
pub(crate) trait Counts {
    /// How often so far.
    fn get(&self, key: &str) -> u32;
    /// Sets it.
    fn set(&mut self, key: &str, count: u32);
}

/// The memo that the judge keeps for each session.
pub(crate) struct Memo;

impl Counts for Memo {
    fn get(&self, key: &str) -> u32 {
        // what is not a count was not written by this module: it counts as the most
        memo::get(key).map_or(0, |bytes| bytes.try_into().map_or(u32::MAX, u32::from_le_bytes))
    }

    fn set(&mut self, key: &str, count: u32) {
        memo::set(key, &count.to_le_bytes());
    }
}

#[cfg(test)]
impl Counts for std::collections::BTreeMap<String, u32> {
    fn get(&self, key: &str) -> u32 {
        std::collections::BTreeMap::get(self, key).copied().unwrap_or(0)
    }

    fn set(&mut self, key: &str, count: u32) {
        self.insert(key.to_owned(), count);
    }
}
