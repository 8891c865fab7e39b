//! Which start of a machine something happened in: the kernel draws a number at random at each of them. Times since the start
//! can be compared only where this is equal.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The number of one start of one machine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BootId(pub [u8; 16]);

/// A text that is not such a number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a boot id: 32 hexadecimal digits, with hyphens or without")]
pub struct InvalidBootId;

impl BootId {
    /// Of a start that nobody noted.
    pub const UNKNOWN: Self = Self([0; 16]);
}

impl FromStr for BootId {
    type Err = InvalidBootId;

    fn from_str(text: &str) -> Result<Self, InvalidBootId> {
        let digits: Option<Vec<u8>> =
            text.chars().filter(|c| *c != '-').map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        let bytes: Vec<u8> = digits
            .ok_or(InvalidBootId)?
            .chunks(2)
            .filter_map(|pair| if let [high, low] = pair { Some(high << 4 | low) } else { None })
            .collect();
        let plain = text.chars().filter(|c| *c != '-').count() == 32;
        if plain { bytes.try_into().map(Self).map_err(|_| InvalidBootId) } else { Err(InvalidBootId) }
    }
}

impl TryFrom<String> for BootId {
    type Error = InvalidBootId;
    fn try_from(text: String) -> Result<Self, InvalidBootId> {
        text.parse()
    }
}

impl From<BootId> for String {
    fn from(id: BootId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_form_is_read_and_nothing_else() {
        let kernels: BootId = "7b0a2c5e-97f3-4a63-8fd5-cb3c2b1e0d11".parse().unwrap();
        assert_eq!(kernels.to_string(), "7b0a2c5e97f34a638fd5cb3c2b1e0d11");
        assert_eq!(kernels.to_string().parse(), Ok(kernels));
        for bad in ["", "7b0a", "7b0a2c5e97f34a638fd5cb3c2b1e0d1", "7b0a2c5e97f34a638fd5cb3c2b1e0d111", "gb0a2c5e97f34a638fd5cb3c2b1e0d11"] {
            assert!(bad.parse::<BootId>().is_err(), "{bad}");
        }
    }
}
