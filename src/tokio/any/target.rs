//! Where a stream leads, as text.

use core::fmt;
use core::str::FromStr;
use std::path::PathBuf;

use crate::connection::Address;

/// Where to listen, or to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `ring:NAME` or `ring:/a/path`: a listener of Ringway.
    Ring(Address),
    /// `unix:/a/path`: a Unix socket.
    Unix(PathBuf),
    /// `tcp:HOST:PORT`.
    Tcp(String),
}

/// Several of them, the one that is preferred first. As text they are separated by commas; a path with a comma in it can be given by [`Targets::new`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets(Vec<Target>);

/// A text that is no target. Its `Debug` is what it displays, for whoever returns it from `main` or unwraps it.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no target: write ring:NAME, ring:/a/path, unix:/a/path or tcp:HOST:PORT, and a comma between several"
)]
pub struct BadTarget(String);

impl fmt::Debug for BadTarget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl Targets {
    /// These, in this order.
    pub fn new(targets: impl IntoIterator<Item = Target>) -> Self {
        Self(targets.into_iter().collect())
    }

    /// In order.
    pub fn iter(&self) -> core::slice::Iter<'_, Target> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Targets {
    type Item = &'a Target;
    type IntoIter = core::slice::Iter<'a, Target>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Target> for Targets {
    fn from(target: Target) -> Self {
        Self(vec![target])
    }
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let target = match text.trim().split_once(':') {
            Some((_, "")) => None,
            Some((_, rest)) if rest.starts_with("//") => None,
            Some(("ring", address)) => Some(Self::Ring(address.into())),
            Some(("unix", path)) => Some(Self::Unix(path.into())),
            Some(("tcp", place)) => place
                .rsplit_once(':')
                .filter(|(host, port)| {
                    // `tcp://` is a habit of those who write URLs, and no host has a slash.
                    !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok()
                })
                .map(|_| Self::Tcp(place.to_owned())),
            _ => None,
        };
        target.ok_or_else(|| BadTarget(text.trim().to_owned()))
    }
}

impl FromStr for Targets {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let targets: Result<Vec<_>, _> = text.split(',').map(str::parse).collect();
        targets.map(Self)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ring(Address::Name(name)) => write!(out, "ring:{name}"),
            Self::Ring(Address::Path(path)) => write!(out, "ring:{}", path.display()),
            Self::Unix(path) => write!(out, "unix:{}", path.display()),
            Self::Tcp(place) => write!(out, "tcp:{place}"),
        }
    }
}

impl fmt::Display for Targets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, target) in self.iter().enumerate() {
            let before = if number == 0 { "" } else { ", " };
            write!(out, "{before}{target}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_configuration_is_read_in_its_order() {
        let targets: Targets = " ring:orders,unix:/run/orders.sock , tcp:[::1]:50051"
            .parse()
            .unwrap();
        let expected = [
            Target::Ring(Address::Name("orders".into())),
            Target::Unix("/run/orders.sock".into()),
            Target::Tcp("[::1]:50051".into()),
        ];
        assert_eq!(targets, Targets::new(expected));
        assert_eq!(
            targets.to_string(),
            "ring:orders, unix:/run/orders.sock, tcp:[::1]:50051"
        );
        let path: Target = "ring:/run/orders".parse().unwrap();
        assert_eq!(path, Target::Ring(Address::Path("/run/orders".into())));
    }

    #[test]
    fn what_is_no_target_is_named_with_what_would_be_one() {
        for bad in [
            "",
            "orders",
            "ring:",
            "ring:a,",
            "http://a:1",
            "tcp:1234",
            "tcp::1",
            "tcp:a:b",
            "tcp:a:65536",
            "tcp://a:1",
            "unix:///run/a",
            "ring://a",
        ] {
            let error = bad.parse::<Targets>().unwrap_err().to_string();
            assert!(error.contains("tcp:HOST:PORT"), "{bad:?}: {error}");
        }
        let error = "ring:a, quic:b".parse::<Targets>().unwrap_err();
        assert_eq!(error, BadTarget("quic:b".into()));
        assert_eq!(format!("{error:?}"), error.to_string());
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_and_read_again(text in "((ring|unix|tcp|no):[a-z/.:0-9]{0,9}[ ,]{0,2}){0,4}") {
            if let Ok(targets) = text.parse::<Targets>() {
                prop_assert!(targets.iter().next().is_some());
                prop_assert_eq!(targets.to_string().parse::<Targets>(), Ok(targets));
            }
        }
    }
}
