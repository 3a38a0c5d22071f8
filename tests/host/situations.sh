#!/bin/bash
# Inside the host: one container for each situation that the exporter must get right, from an image made on the spot.
set -eux
for _ in $(seq 60); do docker info >/dev/null 2>&1 && break; sleep 1; done
mkdir -p image/bin image/tmp image/data
cp /bin/busybox image/bin/
for applet in sh sleep dd cat ping true false yes md5sum tail wget nc; do ln -sf busybox "image/bin/$applet"; done
tar -C image -c . | docker import -c 'CMD ["sleep","infinity"]' - test/busybox:1 >/dev/null
docker network create testnet
run() { docker run -d --name "$@"; }
busy='while :; do yes | dd of=/dev/null bs=1k count=2000 2>/dev/null; sleep 0.5; done'
write='while :; do dd if=/dev/zero of=/data/f bs=1M count=4 conv=fsync 2>/dev/null; sleep 1; done'
run limited --restart unless-stopped -m 64m --memory-swap 96m --memory-reservation 32m --cpus 0.2 --pids-limit 64 \
  -l com.docker.compose.project=shop -l com.docker.compose.service=web test/busybox:1 sh -c "$busy"
run writer -v /var/lib/testdata:/data -l com.docker.compose.project=shop -l com.docker.compose.service=db test/busybox:1 sh -c "$write"
run shares --cpu-shares 512 --cpuset-cpus 0 test/busybox:1
run hostnet --network host test/busybox:1
run nonet --network none test/busybox:1
run guest --network container:limited test/busybox:1
run twonets --network testnet test/busybox:1
docker network connect bridge twonets
run pinger test/busybox:1 sh -c 'while :; do ping -c1 -w1 172.17.0.1 >/dev/null; sleep 0.2; done'
run paused test/busybox:1
docker pause paused
docker run --name failed test/busybox:1 false || true
run oomer -m 16m --memory-swap 16m --restart always test/busybox:1 sh -c 'tail /dev/zero'
run inslice --cgroup-parent=tenant-a.slice test/busybox:1
run nested --privileged --cgroupns=private test/busybox:1 sh -c 'mkdir /sys/fs/cgroup/init; echo 1 >/sys/fs/cgroup/init/cgroup.procs; sleep infinity'
run health --health-cmd true --health-interval 2s test/busybox:1
docker create --name created test/busybox:1
sleep 3
docker ps -a --format '{{.Names}} {{.Status}}'
