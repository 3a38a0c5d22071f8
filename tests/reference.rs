//! What the README says is what the program does: its tables are made from the program's own.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::{fmt::Write, fs, path::Path};

fn flags() -> String {
    let mut text = String::from("\n| flag | default | environment | |\n|---|---|---|---|\n");
    for arg in docker_stat_prom::cli::command().get_arguments() {
        let Some(long) = arg.get_long().filter(|long| !matches!(*long, "help" | "version")) else { continue };
        let short = arg.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
        let defaults: Vec<_> =
            arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
        let default = if defaults.is_empty() || defaults == ["false"] || defaults == ["0"] {
            String::new()
        } else {
            format!("`{}`", defaults.join(","))
        };
        let environment =
            arg.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        writeln!(text, "| {short}`--{long}` | {default} | {environment} | {help} |").unwrap();
    }
    text
}

fn check(section: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {section} -->\n"), format!("<!-- end of {section} -->"));
    let (before, rest) = readme.split_once(&begin).unwrap_or_else(|| panic!("README.md has no {begin}"));
    let (found, after) = rest.split_once(&end).unwrap();
    if found != expected {
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, format!("{before}{begin}{expected}{end}{after}")).unwrap();
        }
        panic!("README.md: the section \"{section}\" is out of date (UPDATE_GOLDEN=1 rewrites it)");
    }
}

#[test]
fn the_readme_lists_every_flag_and_metric() {
    check("flags", &flags());
    check("metrics", &docker_stat_prom::table::reference::markdown());
}

fn check_file(file: &str, expected: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file);
    if fs::read(&path).is_ok_and(|found| found == expected) {
        return;
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, expected).unwrap();
    }
    panic!("deploy/{file} is out of date (UPDATE_GOLDEN=1 rewrites it)");
}

/// The sections that clap does not write.
fn sections(command: &clap::Command) -> String {
    let plain = |text: &str| text.replace('\\', "\\e").replace('-', "\\-");
    let mut text = String::from(
        ".SH ENVIRONMENT\nA variable counts where its flag is not given. One that is set to nothing counts \
         as not set.\n",
    );
    for arg in command.get_arguments() {
        let Some((name, long)) = arg.get_env().zip(arg.get_long()) else { continue };
        let name = name.to_string_lossy();
        write!(text, ".TP\n\\fB{name}\\fR\nAs \\fB{}\\fR\n", plain(&format!("--{long}"))).unwrap();
    }
    for (name, meaning) in [
        ("DOCKER_TLS_VERIFY", "Makes tcp:// TLS, when it is set to anything but nothing"),
        ("DOCKER_CERT_PATH", "The directory of ca.pem, cert.pem and key.pem; by default ~/.docker"),
        (
            "RUST_LOG",
            "As --log_level, or targets with levels; counts where neither --log_level nor -v is given",
        ),
        (
            "NOTIFY_SOCKET, WATCHDOG_USEC",
            "Set by systemd, which is told when the exporter is ready, lives and stops",
        ),
        (
            "LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES",
            "Set by systemd with sockets that it has opened: they are served instead of the default --bind",
        ),
        (
            "OTEL_EXPORTER_OTLP_*, OTEL_EXPORTER_OTLP_METRICS_*",
            "With --otlp: ENDPOINT (where it has no URL), HEADERS, TIMEOUT, COMPRESSION, CERTIFICATE, \
             CLIENT_CERTIFICATE and CLIENT_KEY, as OpenTelemetry specifies them",
        ),
        ("OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME", "Attributes of every resource in OTLP"),
        (
            "HTTP_PROXY, HTTPS_PROXY, NO_PROXY",
            "Counts for a receiver of --push_config that has proxy_from_environment",
        ),
        ("TMPDIR", "Where --demo unpacks its recorded host; by default /tmp"),
    ] {
        write!(text, ".TP\n\\fB{name}\\fR\n{}\n", plain(meaning)).unwrap();
    }
    for (title, entries) in [
        (
            "FILES",
            &[
                ("/sys/fs/cgroup", "cgroup v2, which nearly all numbers come from"),
                ("/proc", "Processes of containers, for their network counters; size of the machine"),
                ("/sys/dev/block", "Names of block devices"),
                (
                    "/sys/devices/system/cpu, /sys/class/dmi/id/product_uuid, /etc/machine-id",
                    "Cores of the machine, and what it is called",
                ),
                ("/var/run/docker.sock", "The Docker API: names, labels and events"),
                ("/etc/default/docker-stat-prom", "Environment of the systemd unit, in the Debian package"),
            ][..],
        ),
        (
            "EXIT STATUS",
            &[
                (
                    "0",
                    "Done, or told to stop; with --healthcheck: it is ready, has no port to ask, or lives \
                     and wants a password or a client certificate",
                ),
                ("1", "Could not start, or died; with --healthcheck: it is not ready, or nobody answers"),
                ("2", "Wrong usage. Nothing was opened, bound or started"),
            ],
        ),
        (
            "SIGNALS",
            &[
                (
                    "SIGTERM, SIGINT, SIGQUIT",
                    "Answers what was asked, then ends; at once, when sent a second time",
                ),
                ("SIGHUP", "Reads certificates, passwords and tokens again, and what --web_config says"),
                ("SIGUSR1, SIGUSR2", "Ignored"),
            ],
        ),
    ] {
        writeln!(text, ".SH \"{title}\"").unwrap();
        for (name, meaning) in entries {
            write!(text, ".TP\n\\fB{}\\fR\n{}\n", plain(name), plain(meaning)).unwrap();
        }
    }
    let long_help = command.get_after_long_help().unwrap().to_string();
    let (examples, _) = long_help.split_once("\n\n").unwrap();
    let examples = examples.strip_prefix("Examples:\n").unwrap();
    write!(text, ".SH EXAMPLES\n.nf\n{}\n.fi\n", plain(examples)).unwrap();
    let see = "docker(1), systemd.exec(5), cgroups(7), proc(5)";
    let site =
        "Grafana dashboard, alert rules, and a comparison with cAdvisor: the folder deploy of the sources";
    write!(text, ".SH \"SEE ALSO\"\n.BR {}\n.PP\n{site}\n", see.replace('(', " (").replace(", ", " ,\n.BR "))
        .unwrap();
    text
}

/// `--metrics` is a list: what comes after a comma is completed too.
fn complete_lists(shell: clap_complete::Shell, script: String) -> String {
    use clap_complete::Shell;
    let words = docker_stat_prom::cli::METRICS.join(" ");
    let (found, instead) = match shell {
        Shell::Bash => (
            format!("COMPREPLY=($(compgen -W \"{words}\" -- \"${{cur}}\"))"),
            format!(
                "COMPREPLY=($(compgen -P \"${{cur%\"${{cur##*,}}\"}}\" -W \"{words}\" -- \"${{cur##*,}}\"))"
            ),
        ),
        Shell::Zsh => (format!(":LIST:({words})"), format!(":LIST:_sequence compadd - {words}")),
        Shell::Fish => {
            let lines = docker_stat_prom::cli::METRICS.map(|word| format!("{word}\\t''"));
            (format!("-a \"{}\"", lines.join("\n")), format!("-a \"(__fish_append , {words})\""))
        }
        _ => return script,
    };
    assert_eq!(script.matches(&found).count(), 1, "{found}");
    script.replace(&found, &instead)
}

#[test]
fn man_page_and_completions_are_the_programs_own() {
    use clap_complete::{Shell, generate};
    // Without the revision, which every commit changes.
    let mut command = docker_stat_prom::cli::command().version(env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(command.clone());
    for render in [
        clap_mangen::Man::render_title,
        clap_mangen::Man::render_name_section,
        clap_mangen::Man::render_synopsis_section,
        clap_mangen::Man::render_description_section,
        clap_mangen::Man::render_options_section,
    ] {
        render(&man, &mut page).unwrap();
    }
    page.extend(sections(&command).into_bytes());
    man.render_version_section(&mut page).unwrap();
    check_file("man/docker-stat-prom.1", &page);
    for (shell, file) in [
        (Shell::Bash, "docker-stat-prom.bash"),
        (Shell::Zsh, "_docker-stat-prom"),
        (Shell::Fish, "docker-stat-prom.fish"),
    ] {
        let mut script = Vec::new();
        generate(shell, &mut command, "docker-stat-prom", &mut script);
        let script = complete_lists(shell, String::from_utf8(script).unwrap());
        check_file(&format!("completions/{file}"), script.as_bytes());
    }
}
