//! Who may ask: the web config, users, tokens and client certificates, next to promtool and to another
//! exporter with the same file.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{
    server::access::{Access, Sources},
    table::SelfMetrics,
};
use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use support::{
    PATIENCE,
    exporter::{self, Answer, Exporter},
    fixture, value,
};
use tempfile::TempDir;

/// A folder with certificates, keys and a web config.
struct Folder(TempDir);

impl Folder {
    fn new(web: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        support::copy(&fixture("tls/web"), folder.path());
        let folder = Self(folder);
        folder.write("web.yml", web);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Replaces a file as a whole.
    fn write(&self, name: &str, text: &str) {
        fs::write(self.path("new"), text).unwrap();
        fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    fn exporter(&self) -> Command {
        let mut command = exporter::without_docker();
        command.arg("--web_config").arg(self.path("web.yml"));
        command
    }
}

fn hash(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap()
}

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

fn with_clients(kind: &str) -> String {
    format!("{TLS}  client_auth_type: {kind}\n  client_ca_file: ca.crt\n")
}

/// What curl gets: the status, or 000 if there was none. `None` without curl, said aloud.
fn curl(folder: &Folder, url: &str, arguments: &[&str]) -> Option<(String, String)> {
    let output = Command::new("curl")
        .current_dir(folder.0.path())
        .args(["-s", "--max-time", "10", "--cacert", "ca.crt", "-w", "\n%{http_code}"])
        .args(arguments)
        .arg(url)
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let (body, status) = text.rsplit_once('\n').unwrap();
            Some((status.to_owned(), body.to_owned()))
        }
        Err(error) => {
            support::skip("web config", &format!("curl: {error}"));
            None
        }
    }
}

/// What one side thinks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
    /// promtool takes it, and we do not: it would not do what it says.
    OursIsStricter,
    /// Debian's promtool does not know these keys.
    PromtoolIsOlder,
}

#[test]
fn promtool_and_we_agree_about_web_configs() {
    use Verdict::{Bad, Good, OursIsStricter, PromtoolIsOlder};
    let users = |hash: &str| format!("basic_auth_users:\n  alice: {hash}\n");
    let (good, tls) = (hash("right"), |more: &str| format!("{TLS}{more}"));
    let pem = |name: &str| fs::read_to_string(fixture("tls/web").join(name)).unwrap().replace('\n', "\n    ");
    let inline = format!(
        "tls_server_config:\n  cert: |\n    {}\n  key: |\n    {}\n",
        pem("server.crt"),
        pem("server.key")
    );
    let headers = |text: &str| format!("http_server_config:\n  headers:\n    {text}\n");
    let files = [
        (String::new(), Good),
        ("{}".into(), Good),
        ("tls_server_config: {}\nhttp_server_config: {}\nbasic_auth_users: {}\n".into(), Good),
        (tls(""), Good),
        (tls("  client_auth_type: NoClientCert\n"), Good),
        (with_clients("RequestClientCert"), Good),
        (with_clients("RequireAnyClientCert"), Good),
        (with_clients("RequireClientCert"), Good),
        (with_clients("VerifyClientCertIfGiven"), Good),
        (with_clients("RequireAndVerifyClientCert"), Good),
        (tls("  client_auth_type: RequireAndVerifyClientCert\n"), Good),
        (tls("  min_version: TLS10\n"), Good),
        (tls("  min_version: TLS13\n  max_version: TLS13\n"), Good),
        (tls("  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n  max_version: TLS12\n"), Good),
        (tls("  cipher_suites: [TLS_AES_128_GCM_SHA256]\n"), Good),
        (tls("  curve_preferences: [X25519, CurveP256, CurveP384]\n"), Good),
        (tls("  prefer_server_cipher_suites: false\nhttp_server_config: {http2: false}\n"), Good),
        (users(&good), Good),
        (format!("{TLS}{}", users(&good.replace("$2b", "$2a"))), Good),
        (headers("X-Frame-Options: sameorigin\n    X-Content-Type-Options: nosniff"), Good),
        (headers("Strict-Transport-Security: max-age=1; includeSubDomains\n    X-XSS-Protection: 1"), Good),
        ("web".into(), Bad),
        ("- a".into(), Bad),
        ("tls_server_config".into(), Bad),
        ("tls_server_config:\n\tcert_file: x".into(), Bad),
        ("tls_server_config: [a]".into(), Bad),
        ("tls_config: {}".into(), Bad),
        ("tls_server_config: {cert_filse: server.crt}".into(), Bad),
        ("tls_server_config: {cert_file: server.crt}".into(), Bad),
        ("tls_server_config: {key_file: server.key}".into(), Bad),
        ("tls_server_config: {cert_file: '', key_file: server.key}".into(), Bad),
        ("tls_server_config: {cert_file: none.crt, key_file: server.key}".into(), Bad),
        ("tls_server_config: {cert_file: server.crt, key_file: renewed.key}".into(), Bad),
        ("tls_server_config: {cert_file: server.key, key_file: server.crt}".into(), Bad),
        ("tls_server_config: {client_auth_type: RequireAndVerifyClientCert}".into(), Bad),
        (tls("  cert_file: server.crt\n"), Bad),
        (tls("  client_auth_type: Required\n"), Bad),
        (tls("  client_ca_file: ca.crt\n"), Bad),
        (tls("  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: none.crt\n"), Bad),
        (tls("  min_version: TLS14\n"), Bad),
        (tls("  min_version: 1.2\n"), Bad),
        (tls("  cipher_suites: [TLS_NOTHING]\n"), Bad),
        (tls("  cipher_suites: TLS_AES_128_GCM_SHA256\n"), Bad),
        (tls("  curve_preferences: [P256]\n"), Bad),
        (tls("  prefer_server_cipher_suites: perhaps\n"), Bad),
        ("http_server_config: {http2: perhaps}".into(), Bad),
        (headers("Server: x"), Bad),
        (headers("x-frame-options: deny"), Bad),
        (headers("X-Frame-Options: none"), Bad),
        (headers("X-Content-Type-Options: sniff"), Bad),
        (users("doe"), Bad),
        (users("''"), Bad),
        (users(&good[..40]), Bad),
        (users(&good.replace("$04", "$03")), Bad),
        (users(&good.replace("$04", "$99")), Bad),
        (users(&format!("{good}\n  alice: {good}")), Bad),
        ("basic_auth_users: [alice]".into(), Bad),
        // bcrypt of this cost takes seconds for each check.
        (users(&good.replace("$04", "$15")), OursIsStricter),
        // rustls has neither.
        (tls("  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]\n"), OursIsStricter),
        (tls("  curve_preferences: [CurveP521]\n"), OursIsStricter),
        (tls("  max_version: TLS11\n"), OursIsStricter),
        // No handshake could succeed.
        (tls("  min_version: TLS13\n  max_version: TLS12\n"), OursIsStricter),
        (tls("  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: web.yml\n"), OursIsStricter),
        (inline, PromtoolIsOlder),
        (
            with_clients("RequireAndVerifyClientCert") + "  client_allowed_sans: [a.example]\n",
            PromtoolIsOlder,
        ),
        ("rate_limit: {interval: 1s, burst: 20}".into(), PromtoolIsOlder),
    ];
    let folder = Folder::new("");
    let mut has_promtool = true;
    for (text, verdict) in &files {
        folder.write("web.yml", text);
        let sources = Sources { web_config: Some(folder.path("web.yml")), ..Sources::default() };
        let ours = Access::load(sources, SelfMetrics::new().unwrap());
        // Without a list of their own, the system's authorities sign for clients; a minimal system has none.
        let lacks_authorities = text.ends_with("VerifyClientCert\n") || text.ends_with("CertIfGiven\n");
        let lacks_authorities = lacks_authorities && !support::system_has_authorities();
        let is_good = matches!(verdict, Good | PromtoolIsOlder) && !lacks_authorities;
        assert_eq!(ours.is_ok(), is_good, "{text}: {:?}", ours.map(drop));
        if let Err(error) = ours {
            let said = error.to_string();
            assert!(!said.contains('\n') && !said.contains("$2"), "{said}");
        }
        let promtool =
            Command::new("promtool").args(["check", "web-config"]).arg(folder.path("web.yml")).output();
        let Ok(promtool) = promtool else {
            has_promtool = false;
            continue;
        };
        let is_good = matches!(verdict, Good | OursIsStricter);
        assert_eq!(promtool.status.success(), is_good, "promtool: {text}");
    }
    if !has_promtool {
        support::skip("agreement about web configs", "no promtool");
    }
}

/// Debian's exporter of the host's numbers, which has exporter-toolkit.
struct Peer {
    child: Child,
    port: u16,
}

impl Peer {
    /// `None` if it is missing.
    fn start(web: &Path) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("prometheus-node-exporter")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg(format!("--web.config.file={}", web.display()))
            .arg("--collector.disable-defaults")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let peer = Self { child, port };
        support::eventually("the other exporter listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        Some(peer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _already_waited_for = self.child.wait();
    }
}

/// The arguments with which curl shows a client certificate of the fixtures, all of one key.
const NOBODY: &[&str] = &[];
const CLIENT: &[&str] = &["--cert", "client.crt", "--key", "client.key"];
const OTHER: &[&str] = &["--cert", "other.crt", "--key", "client.key"];
const STRANGER: &[&str] = &["--cert", "stranger.crt", "--key", "client.key"];
const EXPIRED: &[&str] = &["--cert", "expired.crt", "--key", "client.key"];
const FOR_SERVERS: &[&str] = &["--cert", "for-servers.crt", "--key", "client.key"];

/// Asks both exporters with the same file, and compares each with what is expected.
fn side_by_side(web: &str, requests: &[(&[&str], &str)]) {
    let folder = Folder::new(web);
    let ours = Exporter::start(&mut folder.exporter());
    let theirs = Peer::start(&folder.path("web.yml"));
    let port = ours.address.rsplit(':').next().unwrap();
    let scheme = if web.contains("tls_server_config") { "https" } else { "http" };
    for (arguments, expected) in requests {
        // Another scheme on the same port.
        let scheme = if arguments.contains(&"--http0.9") { "http" } else { scheme };
        let Some(found) = curl(&folder, &format!("{scheme}://localhost:{port}/metrics"), arguments) else {
            return;
        };
        assert_eq!(found.0, *expected, "ours: {arguments:?} with {web}");
        if let Some(theirs) = &theirs {
            let url = format!("{scheme}://localhost:{}/metrics", theirs.port);
            let (status, _) = curl(&folder, &url, arguments).unwrap();
            assert_eq!(status, *expected, "theirs: {arguments:?} with {web}");
        }
    }
    if theirs.is_none() {
        support::skip("the same verdicts as another exporter", "no prometheus-node-exporter");
    }
}

#[test]
fn passwords_have_the_same_verdicts_as_with_another_exporter() {
    let users = format!("basic_auth_users:\n  alice: {}\n  bob: {}\n", hash("right"), hash("with: colon"));
    let requests: &[(&[&str], &str)] = &[
        (&[], "401"),
        (&["-u", "alice:right"], "200"),
        (&["-u", "alice:right"], "200"),
        (&["-u", "bob:with: colon"], "200"),
        (&["-u", "alice:wrong"], "401"),
        (&["-u", "alice:wrong"], "401"),
        (&["-u", "alice:"], "401"),
        (&["-u", "alice:right "], "401"),
        (&["-u", "Alice:right"], "401"),
        (&["-u", "bob:right"], "401"),
        (&["-u", "nobody:right"], "401"),
        (&["-u", ":right"], "401"),
        (&["-u", ":"], "401"),
        (&["-H", "Authorization: basic YWxpY2U6cmlnaHQ="], "200"),
        (&["-H", "Authorization: Basic YWxpY2U="], "401"),
        (&["-H", "Authorization: Basic !!!"], "401"),
        (&["-H", "Authorization: Basic"], "401"),
        (&["-H", "Authorization: Bearer YWxpY2U6cmlnaHQ="], "401"),
        (&["-H", "Authorization: YWxpY2U6cmlnaHQ="], "401"),
    ];
    side_by_side(&users, requests);
    let over_tls: Vec<(&[&str], &str)> = requests
        .iter()
        .copied()
        .chain([
            (&["-u", "alice:right", "--http1.1"][..], "200"),
            (&["-u", "alice:right", "--http2"], "200"),
            (&["-u", "alice:right", "--tls-max", "1.2"], "200"),
            (&["-u", "alice:right", "--tlsv1.3"], "200"),
            (&["-u", "alice:right", "--tls-max", "1.1", "--tlsv1.0"], "000"),
            (&["-u", "alice:right", "--http0.9"], "400"),
        ])
        .collect();
    side_by_side(&format!("{TLS}{users}"), &over_tls);
}

#[test]
fn client_certificates_have_the_same_verdicts_as_with_another_exporter() {
    for (kind, verdicts) in [
        ("NoClientCert", ["200"; 6]),
        ("RequestClientCert", ["200"; 6]),
        ("RequireAnyClientCert", ["000", "200", "200", "200", "200", "200"]),
        ("RequireClientCert", ["000", "200", "200", "200", "200", "200"]),
        ("VerifyClientCertIfGiven", ["200", "200", "200", "000", "000", "000"]),
        ("RequireAndVerifyClientCert", ["000", "200", "200", "000", "000", "000"]),
    ] {
        let web = if kind == "NoClientCert" { TLS.to_owned() } else { with_clients(kind) };
        let clients = [NOBODY, CLIENT, OTHER, STRANGER, EXPIRED, FOR_SERVERS];
        side_by_side(&web, &clients.into_iter().zip(verdicts).collect::<Vec<_>>());
    }
}

#[test]
fn a_client_needs_one_of_the_allowed_names() {
    for (names, of_client, of_other) in [
        ("[scraper.example]", "200", "000"),
        ("[192.0.2.1]", "200", "000"),
        ("[ops@example.org]", "200", "000"),
        ("['spiffe://example.org/scraper']", "200", "000"),
        ("[nobody.example, other.example]", "000", "200"),
        ("['*.example']", "000", "000"),
        ("[]", "000", "000"),
    ] {
        for kind in ["RequireAndVerifyClientCert", "VerifyClientCertIfGiven"] {
            let folder = Folder::new(&format!("{}  client_allowed_sans: {names}\n", with_clients(kind)));
            let exporter = Exporter::start(&mut folder.exporter());
            let url = format!("https://localhost:{}/metrics", exporter.address.rsplit(':').next().unwrap());
            for (arguments, expected) in
                [(NOBODY, "000"), (CLIENT, of_client), (OTHER, of_other), (STRANGER, "000"), (EXPIRED, "000")]
            {
                let Some((status, _)) = curl(&folder, &url, arguments) else { return };
                assert_eq!(status, expected, "{names} {kind} {arguments:?}");
            }
        }
    }
}

/// A plain request whose answer may be anything.
fn ask(exporter: &Exporter, path: &str, headers: &[(&str, &str)]) -> Answer {
    exporter.ask("GET", path, headers)
}

#[test]
fn a_token_or_a_password_is_enough_on_every_path() {
    let folder = Folder::new(&format!("basic_auth_users:\n  alice: {}\n", hash("right")));
    folder.write("tokens", "# of Prometheus\ntoken-of-prometheus\n");
    let paths = ["/metrics", "/", "/debug/containers", "/healthz", "/readyz", "/nothing"];
    for open_health in [false, true] {
        let mut command = folder.exporter();
        command.arg("--auth_token_file").arg(folder.path("tokens"));
        if open_health {
            command.arg("--open_health");
        }
        let exporter = Exporter::start(&mut command);
        for path in paths {
            let is_open = open_health && matches!(path, "/healthz" | "/readyz");
            let answer = ask(&exporter, path, &[]);
            assert_eq!(answer.status == 401, !is_open, "{path}");
            if answer.status == 401 {
                assert!(answer.head.contains("www-authenticate: basic realm=\"metrics\", charset=\"utf-8\""));
                assert!(
                    answer.head.contains("www-authenticate: bearer realm=\"metrics\""),
                    "{}",
                    answer.head
                );
            }
            for wrong in
                ["Bearer token-of-prometheu", "Bearer # of Prometheus", "Bearer ", "token-of-prometheus"]
            {
                let answer = ask(&exporter, path, &[("Authorization", wrong)]);
                assert_eq!(answer.status == 401, !is_open, "{path} {wrong}");
            }
            for right in
                ["Bearer token-of-prometheus", "bearer token-of-prometheus", "Basic YWxpY2U6cmlnaHQ="]
            {
                assert_ne!(ask(&exporter, path, &[("Authorization", right)]).status, 401, "{path} {right}");
            }
        }
        let right = [("Authorization", "Bearer token-of-prometheus")];
        let page = ask(&exporter, "/metrics", &right).text();
        let refused =
            value(&page, "docker_stat_prom_http_refused_total", &["reason=\"unauthorized\""]).unwrap();
        assert!(refused > 10.0, "{refused}");
        let log = exporter.log();
        assert!(!log.contains("token-of") && !log.contains("YWxp"), "{log}");
    }
    let mut command = exporter::without_docker();
    let exporter = Exporter::start(command.arg("--auth_token_file").arg(folder.path("tokens")));
    assert_eq!(ask(&exporter, "/metrics", &[("Authorization", "Basic YWxpY2U6cmlnaHQ=")]).status, 401);
    assert!(!ask(&exporter, "/metrics", &[]).head.contains("basic"));
}

#[test]
fn headers_and_the_rate_are_those_of_the_file() {
    let folder = Folder::new(
        "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    Content-Security-Policy: x\n\
         rate_limit: {interval: 1h, burst: 5}\n",
    );
    let exporter = Exporter::start(folder.exporter().arg("--open_health"));
    let answers: Vec<_> = (0..7).map(|_| ask(&exporter, "/", &[])).collect();
    for answer in &answers {
        assert_eq!(answer.header("x-frame-options"), Some("deny"));
        assert_eq!(answer.header("content-security-policy"), Some("x"));
    }
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429]);
    let wait: u64 = answers[6].header("retry-after").unwrap().parse().unwrap();
    assert!((3_500..=3_600).contains(&wait), "{wait}");
    assert_eq!(ask(&exporter, "/healthz", &[]).status, 200);
}

#[test]
fn http2_is_spoken_with_tls_and_if_the_file_allows_it() {
    for (web, versions) in [
        (TLS.to_owned(), ["2", "1.1"]),
        (format!("{TLS}http_server_config: {{http2: false}}\n"), ["1.1", "1.1"]),
    ] {
        let folder = Folder::new(&web);
        let exporter = Exporter::start(&mut folder.exporter());
        let url = format!("https://localhost:{}/healthz", exporter.address.rsplit(':').next().unwrap());
        for (argument, version) in ["--http2", "--http1.1"].into_iter().zip(versions) {
            let Some((found, _)) = curl(&folder, &url, &[argument, "-w", "\n%{http_version}"]) else {
                return;
            };
            assert_eq!(found, version, "{web}");
        }
    }
    let folder = Folder::new("");
    let exporter = Exporter::start(&mut folder.exporter());
    let url = format!("http://{}/healthz", exporter.address);
    let Some((status, _)) = curl(&folder, &url, &["--http2-prior-knowledge"]) else { return };
    assert_eq!(status, "000");
    assert_eq!(ask(&exporter, "/healthz", &[]).status, 200);
}

#[test]
fn plain_http_on_the_port_of_https_is_told_so() {
    let folder = Folder::new(TLS);
    let exporter = Exporter::start(&mut folder.exporter());
    let mut stream = TcpStream::connect(&exporter.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(9_000)).as_bytes())
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = Answer::parse(&answer);
    assert_eq!((answer.status, answer.text().as_str()), (400, "this port speaks HTTPS: use https://\n"));
    // What is no HTTP either is not answered in HTTP.
    let mut stream = TcpStream::connect(&exporter.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"\x05\x01\x00").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    let _reset_or_alert = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"));
}

#[test]
fn a_wrong_file_ends_with_1_before_the_port_opens() {
    let folder = Folder::new("");
    for (text, problem) in [
        ("tls_server_config:\n  cert_filse: x\n", "web.yml:2: unknown key \"cert_filse\""),
        ("tls_server_config:\n  cert_file: none\n  key_file: server.key\n", "none: No such file"),
        ("basic_auth_users: {alice: hunter2}\n", "web.yml:1: basic_auth_users: expected a bcrypt hash"),
        (
            "tls_server_config:\n  cert: hunter2\n  key_file: server.key\n",
            "web.yml:2: cert: expected a certificate",
        ),
    ] {
        folder.write("web.yml", text);
        let output = exporter::run(folder.exporter().args(["-b", "127.0.0.1:0"]));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(problem) && !said.contains("serving") && !said.contains("hunter2"), "{said}");
        // Which hint, `each_error_names_its_line_and_has_only_its_own_hint` tests.
        assert_eq!(said.matches("hint: ").count(), 1, "{said}");
    }
    folder.write("web.yml", TLS);
    let with_flags = || {
        let mut command = folder.exporter();
        command.arg("-s");
        for (flag, file) in [("--tls_cert", "server.crt"), ("--tls_key", "server.key")] {
            command.arg(flag).arg(folder.path(file));
        }
        command
    };
    let output = exporter::run(with_flags().args(["-b", "127.0.0.1:0"]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1) && said.contains("can't be used together: leave out one"),
        "{said}"
    );
    // With a web config that says nothing of TLS, -s is as it was.
    folder.write("web.yml", &format!("basic_auth_users: {{alice: {}}}\n", hash("right")));
    let exporter = Exporter::start(&mut with_flags());
    let url = format!("https://localhost:{}/healthz", exporter.address.rsplit(':').next().unwrap());
    let Some((status, _)) = curl(&folder, &url, &["-u", "alice:right"]) else { return };
    assert_eq!(status, "200");
    // Nothing is served, so nothing is read.
    let mut command = exporter::without_docker();
    exporter::once(command.args(["--web_config", "/nonexistent"]));
}

#[test]
fn what_should_be_looked_at_is_said() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new(&format!(
        "{}  min_version: TLS10\n  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: [x]\n\
         basic_auth_users:\n  alice: {}\n",
        TLS.replace("server.crt", "stale.crt"),
        hash("right").replace("$04", "$13")
    ));
    folder.write("tokens", "token-of-prometheus\n");
    for file in ["server.key", "tokens"] {
        fs::set_permissions(folder.path(file), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let with_tokens = || {
        let mut command = folder.exporter();
        command.arg("--auth_token_file").arg(folder.path("tokens"));
        command
    };
    let exporter = Exporter::start(&mut with_tokens());
    let log = exporter.log();
    for words in [
        "the certificate has expired",
        "every user of this host can read the key",
        "every user of this host can read the tokens",
        "a hash of bcrypt cost 13",
        "TLS12 is used",
        "the signature is not checked",
    ] {
        assert_eq!(log.matches(words).count(), 1, "{words}: {log}");
    }
    for file in ["server.key", "tokens"] {
        fs::set_permissions(folder.path(file), fs::Permissions::from_mode(0o640)).unwrap();
    }
    folder.write("web.yml", TLS);
    let log = Exporter::start(&mut with_tokens()).log();
    assert!(!log.lines().any(|line| line.contains("WARN") && line.contains("access")), "{log}");
    // A file in which nothing is left protects nothing.
    for nothing in ["", "basic_auth_users:\n"] {
        folder.write("web.yml", nothing);
        let log = Exporter::start(&mut folder.exporter()).log();
        assert_eq!(log.matches("nothing is configured in it").count(), 1, "{log}");
    }
}

#[test]
fn a_key_in_a_web_config_that_everybody_can_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let pem = |name: &str| fs::read_to_string(fixture("tls/web").join(name)).unwrap().replace('\n', "\n    ");
    let folder = Folder::new(&format!(
        "tls_server_config:\n  cert_file: server.crt\n  key: |\n    {}\n",
        pem("server.key")
    ));
    for (mode, count) in [(0o644, 1), (0o640, 0)] {
        fs::set_permissions(folder.path("web.yml"), fs::Permissions::from_mode(mode)).unwrap();
        let log = Exporter::start(&mut folder.exporter()).log();
        assert_eq!(log.matches("web.yml: every user of this host can read the key").count(), count, "{log}");
    }
}

#[test]
fn each_error_names_its_line_and_has_only_its_own_hint() {
    let folder = Folder::new("");
    folder.write("short", "hunter2\n");
    let web = |name: &str, text: &str| {
        folder.write(name, text);
        let mut command = exporter::without_docker();
        command.arg("--web_config").arg(folder.path(name));
        command
    };
    let tokens = |name: &str| {
        let mut command = web("good.yml", TLS);
        command.arg("--auth_token_file").arg(folder.path(name));
        command
    };
    let certificate =
        "hint: a web config names certificates and keys in PEM, with paths relative to its folder";
    let format = "hint: --web_config names a file in the format of Prometheus' exporter-toolkit";
    let token = "hint: --auth_token_file names a file with one token per line, each of 16 characters or more";
    let mut nowhere = exporter::without_docker();
    nowhere.args(["--web_config", "/nonexistent"]);
    let mut twice = web("good.yml", TLS);
    twice.args(["-s", "--tls_cert", "x", "--tls_key", "x"]);
    let missing = TLS.replace("server.crt", "none.crt");
    let in_headers = "http_server_config: {headers: {\"X hunter2\": a}}";
    for (mut command, problem, hint) in [
        (tokens("none"), "none: No such file or directory".to_owned(), token),
        (tokens("short"), "short:1: a token has 16 characters or more".to_owned(), token),
        (
            web("a.yml", &missing),
            format!("a.yml:2: cert_file: {}: No such file", folder.path("none.crt").display()),
            certificate,
        ),
        (web("b.yml", "tls_config: {}"), "b.yml:1: unknown key \"tls_config\"".to_owned(), format),
        (web("c.yml", in_headers), "c.yml:1: this header can't be set, only Strict-".to_owned(), format),
        (nowhere, "/nonexistent: No such file or directory".to_owned(), format),
        (twice, "tls_server_config and -s can't be used together: leave out one of them".to_owned(), ""),
    ] {
        let output = exporter::run(&mut command);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(&problem) && !text.contains("hunter2"), "{text}");
        let hints: Vec<_> = text.lines().filter(|line| line.starts_with("hint: ")).collect();
        assert_eq!(hints, if hint.is_empty() { vec![] } else { vec![hint] }, "{text}");
    }
}

/// A health check in the environment of the exporter.
fn is_healthy(exporter: &Exporter, arguments: &[(&str, PathBuf)]) -> bool {
    let mut command = exporter::command();
    for (flag, path) in arguments {
        command.arg(flag).arg(path);
    }
    let output = exporter::run(command.args(["--healthcheck", "-b", &exporter.address]));
    output.status.success() && output.stdout.is_empty()
}

#[test]
fn a_health_check_passes_whatever_is_asked_of_clients() {
    let users = format!("basic_auth_users:\n  alice: {}\n", hash("right"));
    let folder = Folder::new("");
    folder.write("tokens", "token-of-prometheus\n");
    let tokens = ("--auth_token_file", folder.path("tokens"));
    let web = ("--web_config", folder.path("web.yml"));
    for text in [
        String::new(),
        users.clone(),
        format!("{TLS}{users}"),
        with_clients("RequireAndVerifyClientCert"),
        format!(
            "{}  client_allowed_sans: [nobody.example]\n{users}",
            with_clients("RequireAndVerifyClientCert")
        ),
    ] {
        folder.write("web.yml", &text);
        for arguments in [vec![web.clone()], vec![web.clone(), tokens.clone()]] {
            let mut command = exporter::without_docker();
            for (flag, path) in &arguments {
                command.arg(flag).arg(path);
            }
            let exporter = Exporter::start(&mut command);
            support::eventually("it is healthy", || is_healthy(&exporter, &arguments).then_some(()));
            // Not for those who do not know the files.
            if text.contains("users") && !text.contains("tls") {
                assert!(!is_healthy(&exporter, &[]), "{text}");
            }
        }
    }
    // What it shows is good for nothing else.
    let sources = Sources { tokens: Some(folder.path("tokens")), ..Sources::default() };
    let shown = docker_stat_prom::server::access::reach(&sources).unwrap().authorization.unwrap();
    let mut command = exporter::without_docker();
    let exporter = Exporter::start(command.arg("--auth_token_file").arg(folder.path("tokens")));
    assert_ne!(ask(&exporter, "/readyz", &[("Authorization", &shown)]).status, 401);
    for path in ["/metrics", "/", "/debug/containers"] {
        assert_eq!(ask(&exporter, path, &[("Authorization", &shown)]).status, 401, "{path}");
    }
}
