//! The users of a web config, with the hashes of their passwords.

use bcrypt::HashParts;
use std::{collections::BTreeMap, sync::Arc};

/// The least cost that bcrypt has, and the largest that is accepted. One step more doubles the time of each
/// check: 14 takes a second or more.
const COSTS: std::ops::RangeInclusive<u32> = 4..=14;
/// Above this cost, a check takes so long that scrapes are slower than they need to be after each reload.
pub(super) const DEAR: u32 = 12;

/// The hash of a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hash {
    text: Arc<str>,
    cost: u32,
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hash(cost {})", self.cost)
    }
}

impl Hash {
    /// Reads a hash.
    ///
    /// # Errors
    /// What is wrong, without the hash.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let parts: HashParts = text
            .parse()
            .map_err(|_| "expected a bcrypt hash, such as htpasswd -nBC 10 '' writes".to_owned())?;
        let cost = parts.get_cost();
        if !COSTS.contains(&cost) {
            let (least, most) = COSTS.into_inner();
            return Err(format!("expected a bcrypt hash of cost {least} to {most}, found cost {cost}"));
        }
        Ok(Self { text: text.into(), cost })
    }

    pub(super) fn cost(&self) -> u32 {
        self.cost
    }

    pub(super) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The hash of a password that nobody has.
    fn of_nobody(cost: u32) -> Self {
        let text = format!("$2y${cost:02}$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde").into();
        Self { text, cost }
    }
}

/// All users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Users {
    hashes: BTreeMap<String, Hash>,
    /// What an unknown user's password is checked against, so that it takes as long.
    of_nobody: Hash,
}

impl Users {
    pub(super) fn new(hashes: BTreeMap<String, Hash>) -> Self {
        let cost = hashes.values().map(Hash::cost).max().unwrap_or(*COSTS.start());
        Self { hashes, of_nobody: Hash::of_nobody(cost) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The largest cost of a hash, if there is a user.
    pub(super) fn cost(&self) -> Option<u32> {
        self.hashes.values().map(Hash::cost).max()
    }

    /// The hash to check a user's password against, and whether there is such a user.
    pub(super) fn find(&self, name: &[u8]) -> (&Hash, bool) {
        let known = std::str::from_utf8(name).ok().and_then(|name| self.hashes.get(name));
        known.map_or((&self.of_nobody, false), |hash| (hash, true))
    }

    /// All names and hashes, in the order of the names.
    pub(super) fn texts(&self) -> Vec<&[u8]> {
        self.hashes.iter().flat_map(|(name, hash)| [name.as_bytes(), hash.text.as_bytes()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_TEST: &str = "$2y$04$sUCKs4kwD2KPB6LPsyyHA.S8XAaZZPu0zQA80Mnpzrn6hYFc/hCRa";

    #[test]
    fn a_hash_is_of_bcrypt_and_not_too_dear() {
        assert_eq!(Hash::parse(OF_TEST).unwrap().cost(), 4);
        for wrong in
            ["", "doe", "$1$04$x", &OF_TEST[..59], &OF_TEST.replace("$04", "$4"), &OF_TEST.replace('.', "!")]
        {
            let problem = Hash::parse(wrong).unwrap_err();
            assert!(problem.contains("expected a bcrypt hash") && !problem.contains("$2"), "{problem}");
        }
        for cost in ["03", "15", "31", "99"] {
            let problem = Hash::parse(&OF_TEST.replace("$04", &format!("${cost}"))).unwrap_err();
            assert!(problem.contains("of cost 4 to 14"), "{problem}");
        }
        for version in ["$2a", "$2b", "$2x"] {
            assert!(Hash::parse(&OF_TEST.replace("$2y", version)).is_ok(), "{version}");
        }
    }

    #[test]
    fn an_unknown_user_costs_as_much_as_the_dearest() {
        let hashes = [4, 11, 9].map(|cost| {
            let hash = OF_TEST.replace("$04", &format!("${cost:02}"));
            (format!("user{cost}"), Hash::parse(&hash).unwrap())
        });
        let users = Users::new(hashes.into());
        let (hash, is_known) = users.find(b"nobody");
        assert_eq!((hash.cost(), is_known), (11, false));
        assert!(Hash::parse(hash.text()).is_ok());
        assert_eq!(users.find(b"\xff").0.cost(), 11);
        assert_eq!(users.find(b"user9").0.cost(), 9);
    }
}
