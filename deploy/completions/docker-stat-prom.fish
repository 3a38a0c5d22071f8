complete -c docker-stat-prom -s H -l host -d 'Docker API: unix://PATH, tcp://HOST:PORT, http://HOST:PORT or https://HOST:PORT' -r -f
complete -c docker-stat-prom -s b -l bind -d 'Where to serve: ADDRESS:PORT, :PORT (all IPv4 addresses), [::]:PORT (all), unix:/PATH, or none' -r -f
complete -c docker-stat-prom -l allowed_hosts -d 'Host names that requests may be for, separated by commas; * for any' -r -f
complete -c docker-stat-prom -l page -d 'Whether / shows the containers and what they use, live' -r -f -a "on\t'There is'
off\t'There is not'"
complete -c docker-stat-prom -l tls_key -d 'Private key for HTTPS, PEM (PKCS#8, PKCS#1 or SEC1)' -r -F
complete -c docker-stat-prom -l tls_cert -d 'Certificate chain for HTTPS, PEM' -r -F
complete -c docker-stat-prom -l web_config -d 'TLS, client certificates, users, headers and a rate limit, in exporter-toolkit\'s format' -r -F
complete -c docker-stat-prom -l auth_token_file -d 'Answer only requests with one of the bearer tokens in this file, one per line' -r -F
complete -c docker-stat-prom -s i -l polling_interval -d 'Time between two polls for the rate gauges: milliseconds, or with a unit, such as 5s' -r -f
complete -c docker-stat-prom -l peak_window -d 'How long a poll counts for the metrics that end in _peak: 60s, 5m; from 1s to 1h' -r -f
complete -c docker-stat-prom -l history -d 'How much of the polls to keep in memory: 10m, 1h; from 10s to 24h; 0 keeps nothing' -r -f
complete -c docker-stat-prom -l cgroup_root -d 'Where the host\'s cgroup v2 is mounted' -r -F
complete -c docker-stat-prom -l proc_root -d 'Where the host\'s procfs is mounted' -r -F
complete -c docker-stat-prom -l sys_root -d 'Where the host\'s sysfs is mounted (names of block devices)' -r -F
complete -c docker-stat-prom -l metrics -d 'What to serve: sets (core, cadvisor, v2, lifecycle), and groups with + or -' -r -f -a "(__fish_append , core cadvisor v2 lifecycle +memory_stat +pressure_averages +hugetlb -core +disk +process -cpu -memory -network -io -pressure -pids -cgroup -state -machine -peaks -host)"
complete -c docker-stat-prom -l disk_interval -d 'Pause between two requests for the sizes of containers, which +disk shows: such as 10m' -r -f
complete -c docker-stat-prom -l container_labels -d 'Container labels to show, as container_label_…: globs, separated by commas' -r -f
complete -c docker-stat-prom -l container_env -d 'Environment variables to show, as container_env_…: exact names, separated by commas' -r -f
complete -c docker-stat-prom -l include -d 'Read only containers that match one of these: name=GLOB, image=GLOB, label=KEY[=GLOB]' -r -f
complete -c docker-stat-prom -l exclude -d 'Do not read containers that match one of these; wins over --include' -r -f
complete -c docker-stat-prom -l network_exclude -d 'Network interfaces of containers to leave out: globs of their names, separated by commas' -r -f
complete -c docker-stat-prom -l fd_budget -d 'How many files of containers to keep open: a number, or auto' -r -f
complete -c docker-stat-prom -l remote_write -d 'Push to a receiver of Prometheus remote write, such as http://prometheus:9090/api/v1/write' -r -f
complete -c docker-stat-prom -l otlp -d 'Push to an OpenTelemetry collector, in OTLP over HTTP, such as http://collector:4318' -r -f
complete -c docker-stat-prom -l otlp_names -d 'Names of metrics in OTLP: OpenTelemetry\'s (semconv) where there is one, or Prometheus\' for all' -r -f -a "semconv\t'Those of OpenTelemetry\'s semantic conventions where there is one, else Prometheus\''
prometheus\t'As on /metrics'"
complete -c docker-stat-prom -l pushgateway -d 'Push to a Prometheus Pushgateway, such as http://pushgateway:9091' -r -f
complete -c docker-stat-prom -l push_config -d 'Push to what a YAML file lists, in the words of prometheus.yml' -r -F
complete -c docker-stat-prom -l push_interval -d 'Time between two pushes: from 1s to 24h' -r -f
complete -c docker-stat-prom -l push_label -d 'A label for every series that is pushed: NAME=VALUE [default: instance=HOST, job=docker-stat-prom]' -r -f
complete -c docker-stat-prom -l push_spool -d 'Directory for what waits to be pushed, so that it survives a restart of the exporter' -r -f -a "(__fish_complete_directories)"
complete -c docker-stat-prom -l push_spool_bytes -d 'How much may wait in --push_spool, for each receiver: bytes, or with a unit, such as 1GB' -r -f
complete -c docker-stat-prom -l sandbox -d 'Limit what this process can do: auto (as far as the kernel can), on (in full, or not start), off' -r -f -a "auto\t'As far as the kernel can'
on\t'In full, or not start'
off\t'Not at all'"
complete -c docker-stat-prom -l output -d 'What --once prints: the metrics, or a line per running container for people (table) or scripts (json)' -r -f -a "metrics\t'The metrics, as a scrape gets them'
table\t'A table for people'
json\t'JSON for scripts'"
complete -c docker-stat-prom -l log_level -d 'Lowest level of the lines to write to the log [default: info; with --once warn]' -r -f -a "error\t'Errors that end or block the exporter'
warn\t'Missing or unexpected data'
info\t'Start, end, and when Docker answers again'
debug\t'What the exporter does'
trace\t'As debug, and what the libraries do'"
complete -c docker-stat-prom -l log_format -d 'Format of the log, which goes to standard error' -r -f -a "text\t'Lines for people'
json\t'One JSON object per line'"
complete -c docker-stat-prom -l debug_pages -d 'Serve /debug/containers, and show cgroup paths on /'
complete -c docker-stat-prom -s s -l secure -d 'Serve HTTPS only'
complete -c docker-stat-prom -l open_health -d 'Answer /healthz and /readyz without password or token, and whatever the rate'
complete -c docker-stat-prom -l no_poll -d 'Serve no rate gauges and no peaks, so that nothing is polled unless somebody watches the live page'
complete -c docker-stat-prom -l created_lines -d 'In OpenMetrics, say when each counter began (lines ending in _created)'
complete -c docker-stat-prom -l show_unnamed -d 'Show containers that Docker does not know, under their short IDs'
complete -c docker-stat-prom -l once -d 'Print the metrics once, from two samples one polling interval apart, and exit'
complete -c docker-stat-prom -l demo -d 'Serve a recorded host whose numbers change, to try the exporter without Docker'
complete -c docker-stat-prom -l healthcheck -d 'Ask the exporter at --bind whether it is ready, and exit 0 or 1'
complete -c docker-stat-prom -s v -l verbose -d 'Log more: -v debug, -vv trace'
complete -c docker-stat-prom -s h -l help -d 'Print help (see more with \'--help\')'
complete -c docker-stat-prom -s V -l version -d 'Print version'
