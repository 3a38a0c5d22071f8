// A made-up host: many copies of a recorded container, whose counters move, and a Docker daemon that names them.
import fs from "node:fs";
import http from "node:http";
import path from "node:path";

const fixture = path.join(new URL(".", import.meta.url).pathname, "../../fixtures/debian13-docker26.1-linux6.12");
// The recorded container that writes to a disk and has a network.
const recorded = "75de56ace1668c8d0ef137edd20e9a1a4ff7ab7f27a928b04eeca5c618b55ed4";
const scopeOf = (root, id) => path.join(root, `sys/fs/cgroup/system.slice/docker-${id}.scope`);

export class World {
  constructor(root, names) {
    this.root = root;
    this.socket = path.join(root, "docker.sock");
    this.containers = new Map();
    this.listeners = new Set();
    this.rounds = 0;
    const copy = (name) => fs.cpSync(path.join(fixture, name), path.join(root, name), { recursive: true, verbatimSymlinks: true });
    for (const name of ["sys/dev", "proc/1", "proc/stat", "proc/meminfo", "sys/fs/cgroup/cgroup.controllers"]) copy(name);
    this.scope = fs.readdirSync(scopeOf(fixture, recorded)).map((file) => [file, fs.readFileSync(path.join(scopeOf(fixture, recorded), file))]);
    this.stat = fs.readFileSync(path.join(scopeOf(fixture, recorded), "cpu.stat"), "utf8");
    this.list = JSON.parse(fs.readFileSync(path.join(fixture, "docker/containers.json")));
    this.inspect = JSON.parse(fs.readFileSync(path.join(fixture, `docker/inspect/${recorded}.json`)));
    names.forEach((name) => this.add(name));
  }

  flags() {
    const at = (name) => path.join(this.root, name);
    return ["-H", `unix://${this.socket}`, "--cgroup_root", at("sys/fs/cgroup"), "--proc_root", at("proc"), "--sys_root", at("sys")];
  }

  /** Starts a container. */
  add(name, project) {
    const number = this.containers.size + 1;
    const id = number.toString(16).padStart(64, "0");
    const folder = scopeOf(this.root, id);
    fs.mkdirSync(folder, { recursive: true });
    for (const [file, bytes] of this.scope) fs.writeFileSync(path.join(folder, file), bytes);
    const process = path.join(this.root, `proc/${1000 + number}`);
    fs.cpSync(path.join(fixture, "proc/1382/net"), path.join(process, "net"), { recursive: true });
    fs.mkdirSync(path.join(process, "ns"), { recursive: true });
    fs.symlinkSync(`net:[${4100000000 + number}]`, path.join(process, "ns/net"));
    fs.writeFileSync(path.join(process, "cgroup"), `0::/system.slice/docker-${id}.scope\n`);
    fs.writeFileSync(path.join(folder, "cgroup.procs"), `${1000 + number}\n`);
    this.containers.set(id, { id, number, name, project, running: true });
    this.tell(id, "start");
    return id;
  }

  /** Ends a container, as its last process does. */
  end(id, code) {
    const container = this.containers.get(id);
    container.running = false;
    container.code = code;
    fs.rmSync(scopeOf(this.root, id), { recursive: true });
    fs.rmSync(path.join(this.root, `proc/${1000 + container.number}`), { recursive: true });
    this.tell(id, "die", { exitCode: String(code) });
  }

  rename(id, name) {
    const container = this.containers.get(id);
    const old = container.name;
    container.name = name;
    this.tell(id, "rename", { oldName: `/${old}` });
  }

  /** Lets every container use another amount of CPU and memory since the last time. */
  move() {
    this.rounds += 1;
    this.used ??= new Map();
    for (const { id, number, running } of this.containers.values()) {
      if (!running) continue;
      const used = (this.used.get(id) ?? 1e9) + 1000 * (1 + ((number * 7 + this.rounds * 13) % 400));
      this.used.set(id, used);
      fs.writeFileSync(path.join(scopeOf(this.root, id), "cpu.stat"), this.stat.replace(/usage_usec \d+/, `usage_usec ${used}`));
      fs.writeFileSync(path.join(scopeOf(this.root, id), "memory.current"), `${(20 + ((number + this.rounds) % 50)) << 20}\n`);
    }
  }

  tell(id, action, attributes = {}) {
    const event = { Type: "container", Action: action, Actor: { ID: id, Attributes: { name: this.containers.get(id).name, ...attributes } },
      time: Math.floor(Date.now() / 1000), timeNano: Date.now() * 1e6 };
    for (const listener of this.listeners) listener.write(`${JSON.stringify(event)}\n`);
  }

  status({ running, code }) {
    const now = new Date().toISOString();
    return running ? { Status: "running", Running: true, ExitCode: 0, StartedAt: "2026-11-20T10:00:00Z", FinishedAt: "0001-01-01T00:00:00Z" }
      : { Status: "exited", Running: false, ExitCode: code, StartedAt: "2026-11-20T10:00:00Z", FinishedAt: now, Pid: 0 };
  }

  answer(target) {
    const [where] = target.replace(/^\/v1\.\d+/, "").split("?");
    const labels = ({ project }) => (project ? { "com.docker.compose.project": project } : {});
    if (where === "/version" || where === "/info") return JSON.parse(fs.readFileSync(path.join(fixture, `docker${where}.json`)));
    if (where === "/containers/json") {
      return [...this.containers.values()].map((container) => ({ ...this.list[0], Id: container.id, Names: [`/${container.name}`], Labels: labels(container),
        State: container.running ? "running" : "exited", Status: container.running ? "Up 1 minute" : `Exited (${container.code}) now` }));
    }
    const container = this.containers.get(where.split("/")[2]);
    if (!container) return undefined;
    return { ...this.inspect, Id: container.id, Name: `/${container.name}`, Config: { ...this.inspect.Config, Labels: labels(container) },
      State: { ...this.inspect.State, Pid: 1000 + container.number, ...this.status(container) } };
  }

  /** Answers as Docker does. */
  async serve() {
    this.server = http.createServer((request, response) => {
      response.setHeader("Content-Type", "application/json");
      if (request.url.includes("/events")) {
        response.flushHeaders();
        this.listeners.add(response);
        request.on("close", () => this.listeners.delete(response));
        return;
      }
      const answer = request.url.endsWith("/_ping") ? "OK" : this.answer(request.url);
      if (answer === undefined) response.statusCode = 404;
      response.end(JSON.stringify(answer ?? { message: "no such container" }));
    });
    await new Promise((done) => this.server.listen(this.socket, done));
  }
}
