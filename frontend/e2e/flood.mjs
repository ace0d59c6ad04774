// What a flood of sign-ins does to everyone else: the time of a signed-in request at rest, and while as many wrong passwords as the server
// takes come from two hundred networks. Prints milliseconds and the ratio of the 99th percentiles.
import http from "node:http";
import { startServer } from "./harness.mjs";

const SAMPLES = 1500;
const FLOODERS = 24;

const server = await startServer();
const { hostname, port } = new URL(server.origin);

function ask(method, path, { headers = {}, body, agent, localAddress } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ hostname: "127.0.0.1", port, method, path, agent, localAddress, headers: { host: `${hostname}:${port}`, ...headers } }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer));
    });
    request.on("error", reject);
    request.end(body);
  });
}

const credentials = (username, password) => ({ headers: { "content-type": "application/json" }, body: JSON.stringify({ username, password }) });
const signedIn = await ask("POST", "/api/v1/sign-in", credentials("clinician", server.password("clinician")));
const cookie = signedIn.headers["set-cookie"].map((one) => one.split(";")[0]).join("; ");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

/** Milliseconds of requests one after the other, as one person makes them, with a little rest between. */
async function measure() {
  const times = [];
  for (let n = 0; n < SAMPLES; n += 1) {
    const began = process.hrtime.bigint();
    const answer = await ask("GET", "/api/v1/me", { agent, headers: { cookie } });
    if (answer.statusCode !== 200) throw new Error(`answered ${answer.statusCode}`);
    times.push(Number(process.hrtime.bigint() - began) / 1e6);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  times.sort((a, b) => a - b);
  return { p50: times[Math.floor(SAMPLES * 0.5)], p99: times[Math.floor(SAMPLES * 0.99)] };
}

await measure(); // warm
const idle = await measure();
let flooding = true;
const tried = { hashed: 0, turnedAway: 0 };
const flood = Promise.all(
  Array.from({ length: FLOODERS }, async (_, who) => {
    for (let n = 0; flooding; n += 1) {
      const network = `127.0.${1 + ((n >> 6) % 200)}.${2 + who}`;
      const answer = await ask("POST", "/api/v1/sign-in", { ...credentials(`user${who}-${n}`, "wrong"), localAddress: network });
      tried[answer.statusCode === 401 ? "hashed" : "turnedAway"] += 1;
    }
  }),
);
const flooded = await measure();
flooding = false;
await flood;
agent.destroy();
await server.stop();
server.forget();
const ms = (value) => `${value.toFixed(2)} ms`;
console.log(`Signed-in request at rest: p50 ${ms(idle.p50)}, p99 ${ms(idle.p99)}`);
console.log(`During a flood of sign-ins (${tried.hashed} hashed, ${tried.turnedAway} turned away): p50 ${ms(flooded.p50)}, p99 ${ms(flooded.p99)}`);
console.log(`Ratio of the 99th percentiles: ${(flooded.p99 / idle.p99).toFixed(2)} (wanted: at most 2)`);
