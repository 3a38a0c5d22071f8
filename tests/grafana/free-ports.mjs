// Prints as many free ports of loopback as it is asked for.
import net from "node:net";
const servers = await Promise.all(
  Array.from(
    { length: Number(process.argv[2]) },
    () =>
      new Promise((done) => {
        const server = net.createServer().listen(0, "127.0.0.1", () => done(server));
      }),
  ),
);
console.log(servers.map((server) => server.address().port).join(" "));
for (const server of servers) server.close();
