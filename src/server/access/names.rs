//! What Go calls the parts of TLS, as far as rustls has them.

use tokio_rustls::rustls::{
    SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{
        SupportedKxGroup,
        ring::{
            cipher_suite::{
                TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
            },
            kx_group,
        },
    },
    version::{TLS12, TLS13},
};

/// What comes of a name.
#[derive(Debug)]
pub(super) enum Named<T> {
    Known(T),
    /// Go has it, and rustls has not.
    NotHere,
    Unknown,
}

/// Go's cipher suites that rustls leaves out: they are CBC, which is no longer thought safe.
const NOT_HERE: [&str; 6] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
];

/// A cipher suite by Go's name.
pub(super) fn suite(name: &str) -> Named<SupportedCipherSuite> {
    Named::Known(match name {
        "TLS_AES_128_GCM_SHA256" => TLS13_AES_128_GCM_SHA256,
        "TLS_AES_256_GCM_SHA384" => TLS13_AES_256_GCM_SHA384,
        "TLS_CHACHA20_POLY1305_SHA256" => TLS13_CHACHA20_POLY1305_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" => TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" => TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" => TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" => TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" => TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" => TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        name if NOT_HERE.contains(&name) || name.starts_with("TLS_RSA_WITH_") => return Named::NotHere,
        _ => return Named::Unknown,
    })
}

/// The suites of TLS 1.3, which Go uses whatever is configured.
pub(super) const OF_TLS13: [SupportedCipherSuite; 3] =
    [TLS13_AES_256_GCM_SHA384, TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256];

/// A curve by Go's name.
pub(super) fn curve(name: &str) -> Named<&'static dyn SupportedKxGroup> {
    match name {
        "X25519" => Named::Known(kx_group::X25519),
        "CurveP256" => Named::Known(kx_group::SECP256R1),
        "CurveP384" => Named::Known(kx_group::SECP384R1),
        "CurveP521" | "X25519MLKEM768" => Named::NotHere,
        _ => Named::Unknown,
    }
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    Tls10,
    Tls11,
    Tls12,
    Tls13,
}

impl Version {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "TLS10" => Some(Self::Tls10),
            "TLS11" => Some(Self::Tls11),
            "TLS12" => Some(Self::Tls12),
            "TLS13" => Some(Self::Tls13),
            _ => None,
        }
    }

    /// The versions from one to another that rustls has.
    pub(super) fn between(least: Self, most: Self) -> Vec<&'static SupportedProtocolVersion> {
        let all = [(Self::Tls13, &TLS13), (Self::Tls12, &TLS12)];
        all.into_iter().filter(|(at, _)| (least..=most).contains(at)).map(|(_, version)| version).collect()
    }
}

/// Whether a client must show a certificate, by Go's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientAuth {
    None,
    /// Asked for, and not checked.
    Request,
    /// Needed, and not checked.
    RequireAny,
    VerifyIfGiven,
    RequireAndVerify,
}

impl ClientAuth {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "NoClientCert" => Some(Self::None),
            "RequestClientCert" => Some(Self::Request),
            // exporter-toolkit has both.
            "RequireAnyClientCert" | "RequireClientCert" => Some(Self::RequireAny),
            "VerifyClientCertIfGiven" => Some(Self::VerifyIfGiven),
            "RequireAndVerifyClientCert" => Some(Self::RequireAndVerify),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_go_is_the_suite_of_that_name() {
        for name in [
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_AES_128_GCM_SHA256",
            "TLS_AES_256_GCM_SHA384",
            "TLS_CHACHA20_POLY1305_SHA256",
        ] {
            let Named::Known(found) = suite(name) else { panic!("{name}") };
            let ours = format!("{:?}", found.suite()).replace("TLS13_", "TLS_");
            assert_eq!(ours, name);
        }
        assert!(matches!(suite("TLS_RSA_WITH_AES_128_CBC_SHA"), Named::NotHere));
        assert!(matches!(suite("TLS_SOMETHING"), Named::Unknown));
        assert!(matches!(curve("CurveP521"), Named::NotHere));
        assert!(matches!(curve("P256"), Named::Unknown));
    }

    #[test]
    fn versions_that_rustls_does_not_have_are_left_out() {
        let count = |least, most| Version::between(least, most).len();
        assert_eq!(count(Version::Tls10, Version::Tls13), 2);
        assert_eq!(count(Version::Tls13, Version::Tls13), 1);
        assert_eq!(count(Version::Tls12, Version::Tls12), 1);
        assert_eq!(count(Version::Tls10, Version::Tls11), 0);
    }
}
