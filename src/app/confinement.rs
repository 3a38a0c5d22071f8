//! What a run needs after its start, and the sandbox that allows only that.

use super::failure::Failure;
use crate::{
    advice,
    demo::Demo,
    metadata::DockerHost,
    push,
    sample::{Roots, machine_id_files},
    sandbox::{self, Lack, Part, Plan},
    server::healthcheck::Place,
    settings::Confinement,
    table::SelfMetrics,
};
use anyhow::anyhow;
use std::{env, net::IpAddr, os::unix::ffi::OsStrExt, path::PathBuf};

/// Enters the sandbox, and says what is in force.
pub(super) fn confine(
    confinement: Confinement,
    plan: &Plan,
    metrics: &SelfMetrics,
) -> Result<String, Failure> {
    let report = (confinement != Confinement::None).then(|| sandbox::enter(plan));
    for part in Part::ALL {
        let is_in_force = report.as_ref().is_some_and(|report| report.lack(part).is_none());
        metrics.sandbox.with_label_values(&[part.name()]).set(f64::from(u8::from(is_in_force)));
    }
    let Some(report) = report else { return Ok("off".to_owned()) };
    match report.first_lack().filter(|_| confinement == Confinement::Full) {
        Some((part, lack)) => {
            let hint = advice::sandbox(*lack == Lack::HiddenProcesses);
            Err(Failure::new(anyhow!("the sandbox lacks {}: {lack}", part.name()), hint))
        }
        None => Ok(report.to_string()),
    }
}

/// What serving, or printing once, needs. `guarding` are the files of certificates, passwords and tokens,
/// which are read again.
pub(super) fn of_run(
    roots: &Roots,
    docker: &DockerHost,
    guarding: Vec<PathBuf>,
    push: Option<&push::Config>,
    demo: Option<&Demo>,
    traces: bool,
) -> Plan {
    let mut plan = Plan {
        proc: roots.proc.clone(),
        traces,
        read: vec![roots.cgroup.clone(), roots.proc.clone(), roots.sys.clone()],
        temporary: demo.map(|demo| demo.folder().to_owned()),
        ..Plan::default()
    };
    plan.read.extend(machine_id_files(roots));
    match docker {
        DockerHost::Unix(path) => plan.sockets.push(path.clone()),
        DockerHost::Http(address) => connects(&mut plan, address),
        DockerHost::Tls { address, certificates } => {
            connects(&mut plan, address);
            plan.read.push(certificates.clone());
            // They can be links to elsewhere.
            let files = ["ca.pem", "cert.pem", "key.pem"].map(|file| certificates.join(file));
            plan.files.extend(files.into_iter().filter(|file| file.exists()));
        }
    }
    plan.files.extend(guarding);
    if let Some(config) = push {
        add_push(&mut plan, config);
    }
    if let Some(manager) = env::var_os("NOTIFY_SOCKET") {
        match manager.as_bytes().first() {
            Some(b'@') => plan.abstract_sockets = true,
            Some(b'/') => plan.sockets.push(manager.into()),
            _ => {}
        }
    }
    plan
}

/// Where the system's trusted certificates are, besides what the variables of OpenSSL name.
const TRUSTED: [&str; 4] =
    ["/etc/ssl", "/etc/pki", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates"];

/// Lets the certificates be read that the system trusts.
pub(super) fn add_trusted(plan: &mut Plan) {
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().filter_map(env::var_os).map(PathBuf::from);
    let all = TRUSTED.into_iter().map(PathBuf::from).chain(named);
    plan.read.extend(all.filter(|path| path.exists()));
}

fn add_push(plan: &mut Plan, config: &push::Config) {
    plan.written.extend(config.spool.iter().map(|spool| spool.directory.clone()));
    for target in &config.targets {
        let endpoint = &target.endpoint;
        plan.files.extend(endpoint.files());
        let is_secure = endpoint.url.scheme_str() == Some("https");
        if is_secure && endpoint.tls.ca.is_none() {
            add_trusted(plan);
        }
        let url = endpoint.proxy.as_ref().map_or(&endpoint.url, |proxy| &proxy.url);
        let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 });
        connects(plan, &format!("{}:{port}", url.host().unwrap_or_default()));
        // A redirect can lead to the usual ports.
        if endpoint.follow_redirects {
            plan.ports.extend([80, 443]);
        }
    }
}

/// What asking a running exporter needs.
pub(super) fn of_health_check(places: &[Place]) -> Plan {
    let mut plan = Plan { proc: "/proc".into(), ..Plan::default() };
    for place in places {
        match place {
            Place::Tcp(host, port) => connects(&mut plan, &format!("{host}:{port}")),
            Place::Unix(path) => plan.sockets.push(path.clone()),
        }
    }
    plan
}

/// Allows connections to `HOST:PORT`.
fn connects(plan: &mut Plan, address: &str) {
    let Some((host, port)) = address.rsplit_once(':') else { return };
    plan.ports.extend(port.parse::<u16>());
    let host = host.trim_start_matches('[').trim_end_matches(']');
    plan.names |= host.parse::<IpAddr>().is_err();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn of(docker: &str) -> Plan {
        let roots = Roots { cgroup: "/c".into(), proc: "/p".into(), sys: "/s".into() };
        let docker = DockerHost::parse(docker, false, Path::new("/certs")).unwrap();
        of_run(&roots, &docker, Vec::new(), None, None, false)
    }

    #[test]
    fn a_plan_has_what_the_daemon_needs_and_no_more() {
        let unix = of("unix:///run/docker.sock");
        assert_eq!((unix.ports.len(), unix.names), (0, false));
        assert!(unix.sockets.contains(&"/run/docker.sock".into()));
        let named = of("tcp://docker:2375");
        assert_eq!((named.ports.as_slice(), named.names), (&[2375][..], true));
        for address in ["http://127.0.0.1:2375", "tcp://[::1]:2375"] {
            let plain = of(address);
            assert_eq!((plain.ports.as_slice(), plain.names), (&[2375][..], false), "{address}");
        }
        let secure = of("https://192.0.2.1");
        assert_eq!((secure.ports.as_slice(), secure.names), (&[2376][..], false));
        assert!(secure.read.contains(&"/certs".into()));
    }
}
