//! How receivers are reached: TLS, redirects, proxies, and secrets that stay secret.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::push::{Authorization, Pem, Protocol, Proxy, Secret, Target, Tls, Version};
use std::{fs, path::Path, process::Command, sync::Arc, time::Duration};
use support::{
    eventually, fixture, front,
    pushing::{Pushing, config, target, write},
    receiver::{Receiver, Reply, ok, tls},
    throughout,
};

const SOON: Duration = Duration::from_secs(3);
const PASSWORD: &str = "correct horse";
const TOKEN: &str = "Uu3Dbe7-token";

/// Everything in which a secret could be seen.
fn shown(pushing: &Pushing) -> String {
    let board = pushing.push.as_ref().unwrap().board().snapshot();
    format!("{board:?}\n{}", pushing.direct.page())
}

fn error(pushing: &Pushing) -> String {
    eventually("there is an error", || {
        pushing.push.as_ref().unwrap().board().snapshot()[0].last_error.clone()
    })
}

fn with(target: Target, change: impl FnOnce(&mut Target)) -> Target {
    let mut target = target;
    change(&mut target);
    target
}

fn ca() -> Tls {
    Tls { ca: Some(Pem::File(fixture("tls/ca.crt"))), ..Tls::default() }
}

#[test]
fn a_private_authority_is_trusted_if_it_is_named() {
    let receiver = Receiver::start_tls(tls(), |_| ok());
    if support::localhost_is_known("a private authority, by name") {
        let names = receiver.url("/w").replace("127.0.0.1", "localhost");
        let by_name = with(target("to", Protocol::RemoteWrite(Version::V1), &names), |target| {
            target.endpoint.tls = ca();
        });
        let mut pushing = Pushing::start(config(vec![by_name]));
        let requests = receiver.wait_for(3);
        assert!(requests.iter().all(|request| request.connection == requests[0].connection));
        assert!(requests[0].header("host").unwrap().starts_with("localhost:"));
        pushing.end(SOON);
    }
    // In the settings, and by address.
    let pem = fs::read_to_string(fixture("tls/ca.crt")).unwrap();
    let before = receiver.count();
    let by_address = with(write(&receiver, Version::V1), |target| {
        target.endpoint.tls.ca = Some(Pem::Text(Secret::Text(pem)));
        target.endpoint.tls.only_tls13 = true;
    });
    let mut pushing = Pushing::start(config(vec![by_address]));
    receiver.wait_for(before + 1);
    pushing.end(SOON);
}

#[test]
fn a_stranger_gets_nothing() {
    let receiver = Receiver::start_tls(tls(), |_| ok());
    let other_ca = Tls { ca: Some(Pem::File(fixture("tls/rsa.crt"))), ..Tls::default() };
    let other_name = Tls { server_name: Some("prometheus.example".into()), ..ca() };
    // A minimal system trusts nobody, and says that instead.
    let by_default = if support::system_has_authorities() {
        "TLS fails: invalid peer certificate: UnknownIssuer"
    } else {
        "the system has no CA certificates"
    };
    for (tls, said) in [
        (Tls::default(), by_default),
        (other_ca, "TLS fails: invalid peer certificate: UnknownIssuer"),
        (other_name, "prometheus.example"),
    ] {
        let stranger = with(write(&receiver, Version::V1), |target| target.endpoint.tls = tls);
        let mut pushing = Pushing::start(config(vec![stranger]));
        let error = error(&pushing);
        assert!(error.contains(said), "{error}");
        let reason = if error.starts_with("TLS fails: ") { "tls" } else { "credentials" };
        pushing.at_least("failures_total", &[&format!("reason=\"{reason}\"")], 2.0);
        assert_eq!(receiver.count(), 0);
        pushing.end(Duration::ZERO);
    }
    let careless = Tls { insecure_skip_verify: true, ..Tls::default() };
    let careless = with(write(&receiver, Version::V1), |target| target.endpoint.tls = careless);
    let mut pushing = Pushing::start(config(vec![careless]));
    receiver.wait_for(1);
    pushing.end(SOON);
}

#[test]
fn tls_with_a_receiver_that_has_none_fails_and_is_told() {
    let receiver = Receiver::start(|_| ok());
    let url = receiver.url("/").replace("http://", "https://");
    let wrong =
        with(target("to", Protocol::RemoteWrite(Version::V1), &url), |target| target.endpoint.tls = ca());
    let mut pushing = Pushing::start(config(vec![wrong]));
    let error = error(&pushing);
    assert!(error.starts_with("TLS fails") || error.starts_with("no whole answer within"), "{error}");
    pushing.end(Duration::ZERO);
}

#[test]
fn a_client_certificate_is_shown_and_read_again_when_it_changes() {
    let acceptor = front::mutual_tls();
    let receiver = Receiver::start_tls(Arc::clone(acceptor.config()), |_| ok());
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    // Not signed by the authority that the receiver wants.
    fs::copy(fixture("tls/rsa.crt"), &certificate).unwrap();
    fs::copy(fixture("tls/rsa-pkcs8.key"), &key).unwrap();
    let mutual = with(write(&receiver, Version::V1), |target| {
        let identity = (Pem::File(certificate.clone()), Pem::File(key.clone()));
        target.endpoint.tls = Tls { identity: Some(identity), ..ca() };
    });
    let mut pushing = Pushing::start(config(vec![mutual]));
    error(&pushing);
    assert_eq!(receiver.count(), 0);
    // For a moment, certificate and key do not match.
    fs::copy(fixture("tls/ec-chain.crt"), &certificate).unwrap();
    pushing.at_least("failures_total", &["reason=\"credentials\""], 1.0);
    assert!(error(&pushing).contains("the client's certificate and key"), "{}", error(&pushing));
    fs::copy(fixture("tls/ec-sec1.key"), &key).unwrap();
    receiver.wait_for(2);
    fs::remove_file(&key).unwrap();
    eventually("it is missed", || error(&pushing).contains("key.pem: No such file").then_some(()));
    pushing.end(Duration::ZERO);
}

fn login(username: &str, password: Secret) -> Option<Authorization> {
    Some(Authorization::Basic { username: Secret::Text(username.into()), password })
}

#[test]
fn a_password_in_a_file_is_read_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let receiver = Receiver::start(|_| ok());
    let to = with(write(&receiver, Version::V1), |target| {
        target.endpoint.authorization = login("alice", Secret::File(file.clone()));
        target.endpoint.headers = vec![("X-Scope-OrgID".into(), Secret::Text("tenant".into()))];
    });
    let mut pushing = Pushing::start(config(vec![to]));
    let requests = receiver.wait_for(2);
    assert_eq!(requests[0].header("authorization"), Some("Basic YWxpY2U6Y29ycmVjdCBob3JzZQ=="));
    assert_eq!(requests[0].header("x-scope-orgid"), Some("tenant"));
    fs::write(&file, "battery").unwrap();
    eventually("the new one is sent", || {
        (receiver.requests().last()?.header("authorization") == Some("Basic YWxpY2U6YmF0dGVyeQ=="))
            .then_some(())
    });
    fs::write(&file, "not\nfor a header").unwrap();
    throughout(Duration::from_millis(300), || assert!(!shown(&pushing).contains("for a header")));
    fs::remove_file(&file).unwrap();
    eventually("it is missed", || error(&pushing).contains("password: No such file").then_some(()));
    pushing.at_least("failures_total", &["reason=\"credentials\""], 1.0);
    fs::write(&file, PASSWORD).unwrap();
    let before = receiver.count();
    receiver.wait_for(before + 2);
    pushing.end(SOON);
}

#[test]
fn a_token_is_sent_and_never_shown() {
    let receiver = Receiver::start(|request| {
        // As unkind as can be: it says what it was sent.
        Reply::Status(503, vec![], format!("bad login: {}", request.header("authorization").unwrap()))
    });
    let token = |credentials: &str| {
        let credentials = Secret::Text(credentials.into());
        Some(Authorization::Scheme { scheme: "Bearer".into(), credentials })
    };
    let to = with(write(&receiver, Version::V1), |target| target.endpoint.authorization = token(TOKEN));
    assert!(!format!("{to:?}").contains(TOKEN));
    let mut pushing = Pushing::start(config(vec![to]));
    assert_eq!(error(&pushing), "503 Service Unavailable: bad login: Bearer <secret>");
    assert!(!shown(&pushing).contains(TOKEN));
    pushing.end(Duration::ZERO);
    let basic = login("alice", Secret::Text(PASSWORD.into()));
    let to = with(write(&receiver, Version::V1), |target| target.endpoint.authorization = basic);
    let mut pushing = Pushing::start(config(vec![to]));
    assert_eq!(error(&pushing), "503 Service Unavailable: bad login: Basic <secret>");
    pushing.end(Duration::ZERO);
    let odd = format!("{TOKEN}\r\nX-Other: 1");
    let receiver = Receiver::start(|_| ok());
    let to = with(write(&receiver, Version::V1), |target| target.endpoint.authorization = token(&odd));
    let mut pushing = Pushing::start(config(vec![to]));
    assert!(error(&pushing).contains("a character that no header can have"), "{}", error(&pushing));
    assert!(!shown(&pushing).contains(TOKEN));
    assert_eq!(receiver.count(), 0);
    pushing.end(Duration::ZERO);
}

#[test]
fn a_secret_is_hidden_however_it_is_repeated() {
    let password = "s3cr@t pw";
    let echo = |text: &'static str| Receiver::start(move |_| Reply::Status(503, vec![], text.to_owned()));
    for (password, text, said) in [
        (password, "bad s3cr%40t%20pw", "503 Service Unavailable: bad <secret>"),
        (password, "bad S3CR%40T+PW", "503 Service Unavailable: bad <secret>"),
        (
            password,
            r"query bad-t0ken, also bad%2Dt0ken",
            "503 Service Unavailable: query <secret>, also <secret>",
        ),
        (
            "abc",
            "bad uu:abc",
            "503 Service Unavailable: (not shown: a secret of less than 4 characters could be in it)",
        ),
        ("abc", "no room", "503 Service Unavailable: no room"),
    ] {
        let receiver = echo(text);
        let url = receiver.url("/api/v1/write?key=bad-t0ken");
        let to = with(target("to", Protocol::RemoteWrite(Version::V1), &url), |target| {
            target.endpoint.authorization = login("uu", Secret::Text(password.into()));
        });
        let mut pushing = Pushing::start(config(vec![to]));
        assert_eq!(error(&pushing), said);
        pushing.end(Duration::ZERO);
    }
}

fn secretive(receiver: &Receiver) -> Target {
    with(write(receiver, Version::V1), |target| {
        target.endpoint.authorization = login("alice", Secret::Text(PASSWORD.into()));
        target.endpoint.headers = vec![("X-Key".into(), Secret::Text(TOKEN.into()))];
    })
}

fn moved(status: u16, to: String) -> impl Fn(&support::receiver::Received) -> Reply + Send + 'static {
    move |_| Reply::Status(status, vec![("Location", to.clone())], String::new())
}

#[test]
fn a_redirect_keeps_the_request_and_strangers_get_no_secrets() {
    let destination = Receiver::start(|_| ok());
    for status in [307, 308] {
        let before = destination.count();
        let receiver = Receiver::start(moved(status, destination.url("/new?x=1")));
        let mut pushing = Pushing::start(config(vec![secretive(&receiver)]));
        let requests = destination.wait_for(before + 1);
        let request = &requests[before];
        assert_eq!(request.line(), "POST /new?x=1 HTTP/1.1");
        assert_eq!(request.unpacked(), "pass 1");
        assert_eq!(request.header("content-encoding"), Some("snappy"));
        assert_eq!((request.header("authorization"), request.header("x-key")), (None, None));
        assert!(receiver.requests()[0].header("x-key").is_some());
        pushing.end(SOON);
    }
    // The same origin is no stranger.
    let receiver = Receiver::start(|request| {
        if request.line().contains("/api/v1/write") {
            Reply::Status(307, vec![("Location", "/other".into())], String::new())
        } else {
            ok()
        }
    });
    let mut pushing = Pushing::start(config(vec![secretive(&receiver)]));
    let requests = receiver.wait_for(2);
    assert_eq!(requests[1].line(), "POST /other HTTP/1.1");
    assert_eq!(requests[1].header("x-key"), Some(TOKEN));
    pushing.end(SOON);
}

#[test]
fn redirects_that_would_lose_something_are_not_followed() {
    let destination = Receiver::start(|_| ok());
    let secure = Receiver::start_tls(tls(), moved(307, destination.url("/")));
    let odd = Receiver::start(moved(302, "http://user:word@127.0.0.1/".into()));
    let becomes_get = Receiver::start(moved(302, destination.url("/?token=abc")));
    let unwanted = Receiver::start(moved(307, destination.url("/")));
    let circle =
        Receiver::start(|_| Reply::Status(308, vec![("Location", "/api/v1/write".into())], String::new()));
    for (receiver, follow, said) in [
        (&secure, true, "from https to http"),
        (&odd, true, "to a URL that can't be used"),
        (&becomes_get, true, "set the URL to where it leads"),
        (&unwanted, false, "redirects are not followed"),
        (&circle, true, "more than 10 redirects"),
    ] {
        let to = with(secretive(receiver), |target| {
            target.endpoint.follow_redirects = follow;
            target.endpoint.tls = ca();
        });
        let mut pushing = Pushing::start(config(vec![to]));
        let error = error(&pushing);
        assert!(error.contains(said) && !error.contains("abc") && !error.contains("word"), "{error}");
        assert!(pushing.value("failures_total", &["reason=\"redirect\""]).unwrap() >= 1.0);
        assert_eq!(pushing.value("dropped_samples_total", &[]), None, "it can be corrected");
        assert_eq!(receiver.count(), if said.starts_with("more") { 11 } else { 1 });
        pushing.end(Duration::ZERO);
    }
    assert_eq!(destination.count(), 0);
}

fn through(proxy: &Receiver, target: Target) -> Target {
    with(target, |target| {
        let basic = Some(("bob".to_owned(), Secret::Text(PASSWORD.into())));
        target.endpoint.proxy = Some(Proxy { url: proxy.url("/").parse().unwrap(), basic });
    })
}

#[test]
fn a_proxy_gets_plain_requests_with_the_whole_url() {
    let proxy = Receiver::start(|_| ok());
    let to =
        target("to", Protocol::RemoteWrite(Version::V1), "http://name.that.only.the.proxy.knows.invalid/w");
    let mut pushing = Pushing::start(config(vec![through(&proxy, to)]));
    let requests = proxy.wait_for(2);
    assert_eq!(requests[0].line(), "POST http://name.that.only.the.proxy.knows.invalid/w HTTP/1.1");
    assert_eq!(requests[0].header("host"), Some("name.that.only.the.proxy.knows.invalid"));
    assert_eq!(requests[0].header("proxy-authorization"), Some("Basic Ym9iOmNvcnJlY3QgaG9yc2U="));
    pushing.end(SOON);
}

#[test]
fn a_proxy_connects_to_receivers_with_tls() {
    let receiver = Receiver::start_tls(tls(), |_| ok());
    let proxy = Receiver::start(|_| Reply::Tunnel);
    let to = with(secretive(&receiver), |target| target.endpoint.tls = ca());
    let mut pushing = Pushing::start(config(vec![through(&proxy, to)]));
    let requests = receiver.wait_for(2);
    assert_eq!(requests[0].line(), "POST /api/v1/write HTTP/1.1");
    assert_eq!(requests[0].header("proxy-authorization"), None, "it is the proxy's");
    let connects = proxy.requests();
    assert_eq!(connects.len(), 1);
    assert_eq!(connects[0].line(), format!("CONNECT {} HTTP/1.1", receiver.address));
    assert_eq!(connects[0].header("proxy-authorization"), Some("Basic Ym9iOmNvcnJlY3QgaG9yc2U="));
    assert_eq!(connects[0].header("authorization"), None, "it is the receiver's");
    pushing.end(SOON);
}

#[test]
fn a_proxy_that_does_not_connect_is_named() {
    let receiver = Receiver::start_tls(tls(), |_| ok());
    for (reply, said) in [
        (support::receiver::status(407), "407"),
        (Reply::Flood("HTTP/1.1 200 OK\r\nX: "), "too long"),
        (Reply::Raw(b"nonsense\r\n\r\n".to_vec()), "nonsense"),
        (Reply::Nothing, "within 1s"),
    ] {
        let proxy = Receiver::start(move |_| reply.clone());
        let to = with(write(&receiver, Version::V1), |target| target.endpoint.tls = ca());
        let mut pushing = Pushing::start(config(vec![through(&proxy, to)]));
        let error = error(&pushing);
        assert!(error.contains(said), "{error}");
        pushing.end(Duration::ZERO);
    }
    assert_eq!(receiver.count(), 0);
}

#[test]
fn a_proxy_that_repeats_a_password_or_wants_another_is_not_asked_all_the_time() {
    let receiver = Receiver::start_tls(tls(), |_| ok());
    for status in ["407", "403", "401"] {
        let proxy = Receiver::start(move |request| {
            let login = request.header("proxy-authorization").unwrap();
            Reply::Raw(format!("HTTP/1.1 {status} bad {PASSWORD} in {login}\r\n\r\n").into())
        });
        let to = with(write(&receiver, Version::V1), |target| target.endpoint.tls = ca());
        let mut pushing = Pushing::start(config(vec![through(&proxy, to)]));
        let said = format!("the proxy does not connect: HTTP/1.1 {status} bad <secret> in Basic <secret>");
        assert_eq!(error(&pushing), said);
        assert!(!shown(&pushing).contains(PASSWORD));
        throughout(Duration::from_millis(500), || assert_eq!(proxy.count(), 1));
        assert!(pushing.value("failures_total", &["reason=\"proxy\""]).unwrap() >= 1.0);
        assert_eq!(pushing.value("dropped_samples_total", &[]), None, "it can be corrected");
        pushing.end(Duration::ZERO);
    }
    // Where a redirect leads is somebody else's word too.
    let receiver = Receiver::start(moved(302, format!("http://{}.example/", TOKEN.to_lowercase())));
    let mut pushing = Pushing::start(config(vec![secretive(&receiver)]));
    assert_eq!(error(&pushing), "302 Found to http://<secret>.example: set the URL to where it leads");
    pushing.end(Duration::ZERO);
}

#[test]
fn a_pipe_in_place_of_a_secret_does_not_hang() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(Path::new(&pipe)).status();
    if !made.is_ok_and(|made| made.success()) {
        return support::skip("a_pipe_in_place_of_a_secret_does_not_hang", "no mkfifo");
    }
    let receiver = Receiver::start(|_| ok());
    let to = with(write(&receiver, Version::V1), |target| {
        target.endpoint.authorization = login("alice", Secret::File(pipe));
    });
    let mut pushing = Pushing::start(config(vec![to]));
    assert!(error(&pushing).contains("pipe: not a regular file"), "{}", error(&pushing));
    pushing.end(Duration::ZERO);
}
