//! The rules that are in force: what all files say, read and checked as a whole.

use super::{
    config::{self, TlsSection, WebConfig},
    digest::{Key, derived},
    handshake::{self, Handshake},
    names::{ClientAuth, Version},
    rate::Bucket,
    sources::{LoadError, Reader, Seen, Sources},
    tokens::{self, Tokens},
    users::{DEAR, Users},
};
use crate::{
    advice::access::{self as advice, Concern},
    files::is_for_all,
};
use hyper::header::{HeaderName, HeaderValue};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio_rustls::rustls::ServerConfig;

/// A certificate that expires within this time is warned of.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);
const DAY: u64 = 24 * 60 * 60;

/// What is asked of clients, and what is given to them.
#[derive(Debug)]
pub(in crate::server) struct Rules {
    pub(super) tls: Option<Handshake>,
    /// Whether HTTP/2 may be spoken.
    http2: bool,
    /// Headers of each answer.
    headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) users: Users,
    pub(super) tokens: Tokens,
    /// What `--healthcheck` shows.
    pub(super) of_health: Tokens,
    pub(super) bucket: Option<Arc<Bucket>>,
    /// What should be looked at and does not change with time.
    concerns: Vec<Concern>,
}

impl Rules {
    /// Whether a password or a token is asked for.
    pub(super) fn asks_who(&self) -> bool {
        !(self.users.is_empty() && self.tokens.is_empty())
    }

    /// Whether the same users and tokens are let in as by other rules.
    pub(super) fn takes_the_same(&self, other: &Self) -> bool {
        self.users == other.users && self.tokens == other.tokens
    }

    /// Whether the same is asked of clients' certificates as by other rules.
    pub(super) fn asks_the_same_of_certificates(&self, other: &Self) -> bool {
        let asked = |rules: &Self| rules.tls.as_ref().map(|tls| tls.asked.clone());
        asked(self) == asked(other)
    }

    /// Reads all files. Returns also which, even if something is wrong with one of them.
    pub(super) fn load(
        sources: &Sources,
        key: &Key,
        before: Option<&Self>,
    ) -> (Vec<Seen>, Result<Self, LoadError>) {
        let mut reader = Reader::default();
        let rules = Self::read(sources, key, before, &mut reader);
        (reader.seen, rules)
    }

    fn read(
        sources: &Sources,
        key: &Key,
        before: Option<&Self>,
        reader: &mut Reader,
    ) -> Result<Self, LoadError> {
        let Document { web, mut tls, tokens } = Document::read(sources, reader)?;
        if let Some((certificate, key)) = &sources.identity {
            if let (Some(_), Some(path)) = (&tls, &sources.web_config) {
                return Err(LoadError::System(format!("{}: {}", path.display(), advice::twice())));
            }
            tls = Some(TlsSection::of_files(certificate, key));
        }
        let users = Users::new(web.users);
        let of_health = of_health(&users, &tokens).and_then(|token| Tokens::parse(&token, key).ok());
        let of_health = of_health.unwrap_or_default();
        let tokens = match &sources.tokens {
            None => Tokens::default(),
            Some(path) => {
                let wrong =
                    |(line, problem)| LoadError::Line { file: path.display().to_string(), line, problem };
                Tokens::parse(&tokens, key).map_err(wrong)?
            }
        };
        let mut concerns = tls.as_ref().map(concerns).unwrap_or_default();
        let has_own_key = tls.as_ref().is_some_and(|tls| tls.key.path().is_none());
        let of_key = sources.web_config.as_ref().filter(|path| has_own_key && is_for_all(path));
        concerns.extend(of_key.cloned().map(Concern::KeyForAll));
        let of_tokens = sources.tokens.as_ref().filter(|path| is_for_all(path));
        concerns.extend(of_tokens.cloned().map(Concern::TokensForAll));
        let dear = users.cost().filter(|cost| *cost > DEAR);
        concerns.extend(dear.map(Concern::DearHash));
        if tls.is_none() && !(users.is_empty() && tokens.is_empty()) {
            concerns.push(Concern::InTheClear);
        }
        let is_open = tls.is_none() && users.is_empty() && tokens.is_empty();
        if is_open && web.rate.is_none() && web.headers.is_empty() {
            concerns.extend(sources.web_config.clone().map(Concern::EmptyConfig));
        }
        let handshake = tls.map(|section| handshake::build(&section, web.http2, reader)).transpose()?;
        // The level of the bucket stays what it is.
        let of_before = before.and_then(|before| before.bucket.clone());
        let bucket = web.rate.map(|rate| {
            of_before.filter(|bucket| bucket.rate() == rate).unwrap_or_else(|| Arc::new(Bucket::new(rate)))
        });
        // Without a web config, HTTP/2 is spoken without TLS too.
        let http2 = sources.web_config.is_none() || (web.http2 && handshake.is_some());
        Ok(Self { tls: handshake, http2, headers: web.headers, users, tokens, of_health, bucket, concerns })
    }

    /// TLS, if it is spoken.
    pub(in crate::server) fn tls(&self) -> Option<&Arc<ServerConfig>> {
        self.tls.as_ref().map(|tls| &tls.config)
    }

    /// Whether HTTP/2 may be spoken.
    pub(in crate::server) fn has_http2(&self) -> bool {
        self.http2
    }

    /// Headers of each answer.
    pub(in crate::server) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// What should be looked at now.
    pub(super) fn concerns(&self) -> Vec<Concern> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let expiry = self.tls.as_ref().and_then(|tls| tls.expiry);
        let of_time = expiry.and_then(|expiry| match expiry.checked_sub(now) {
            None => Some(Concern::Expired),
            Some(left) if left < SOON => Some(Concern::ExpiresSoon(left.as_secs() / DAY)),
            Some(_) => None,
        });
        of_time.into_iter().chain(self.concerns.iter().cloned()).collect()
    }
}

/// The token of `--healthcheck`, if it needs one: it follows from the hashes of passwords and from the
/// tokens, so only those can make it who can read their files. It is good for `/healthz` and `/readyz` only:
/// whoever listens on the port while the exporter is down gets nothing of use.
pub(super) fn of_health(users: &Users, tokens: &str) -> Option<String> {
    let tokens = tokens::lines(tokens).map(|(_, token)| token.as_bytes());
    let texts: Vec<_> = users.texts().into_iter().chain(tokens).collect();
    if texts.is_empty() { None } else { derived("docker-stat-prom --healthcheck", &texts) }
}

/// What the files say, or what holds without them.
pub(super) struct Document {
    pub(super) web: WebConfig,
    pub(super) tls: Option<TlsSection>,
    /// The text of the file of tokens; empty without one.
    pub(super) tokens: String,
}

impl Document {
    /// Reads the web config and the tokens.
    ///
    /// # Errors
    /// If a file can't be read, or the web config is wrong.
    pub(super) fn read(sources: &Sources, reader: &mut Reader) -> Result<Self, LoadError> {
        let mut web = match &sources.web_config {
            None => {
                WebConfig { tls: None, http2: true, headers: Vec::new(), users: BTreeMap::new(), rate: None }
            }
            Some(path) => {
                let text = reader.text(path)?;
                config::parse(&text, path).map_err(|mistake| LoadError::at(path, mistake))?
            }
        };
        let tls = web.tls.take();
        let tokens = sources.tokens.as_ref().map(|path| reader.text(path)).transpose()?;
        Ok(Self { web, tls, tokens: tokens.unwrap_or_default() })
    }
}

fn concerns(section: &TlsSection) -> Vec<Concern> {
    let mut found = Vec::new();
    let key = section.key.path().filter(|path| is_for_all(path));
    found.extend(key.map(|path| Concern::KeyForAll(path.to_owned())));
    if section.versions.0 < Version::Tls12 {
        found.push(Concern::OldVersion);
    }
    match section.client_auth {
        ClientAuth::Request | ClientAuth::RequireAny if section.allowed_sans.is_some() => {
            found.push(Concern::UnsignedNames);
        }
        ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify if section.client_ca.is_none() => {
            found.push(Concern::SystemAuthorities);
        }
        _ => {}
    }
    found
}
