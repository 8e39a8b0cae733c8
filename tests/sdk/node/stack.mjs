// Runs the binary under test: a simulator, and a gateway wired to it, each in its own process; and clients for it.

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

// The suite is shared; the packages are those of the folder it is started in (node6 or node7).
const packages = createRequire(join(process.cwd(), 'package.json'));
export const { OpenAI, AzureOpenAI, toFile } = packages('openai');
export const { imageSize } = packages('image-size');

export const TEAM_KEY = 'sk-team-design';
export const EXPIRED_KEY = 'sk-team-expired';
export const VISITOR_KEY = 'sk-team-visitors'; // may use no model
export const THRIFTY_KEY = 'sk-team-thrifty'; // has a budget of one picture
export const HASTY_KEY = 'sk-team-hasty'; // 30 requests a minute
export const MODEST_KEY = 'sk-team-modest'; // max_n, max_quality, max_resolution

const CONFIG = fileURLToPath(new URL('../gateway.yaml', import.meta.url));
const SPEED = '50'; // tasks take a few hundred milliseconds
const START_DEADLINE_MS = 20_000;
const STOP_DEADLINE_MS = 20_000;
const TASK_DEADLINE_MS = 20_000;

/** One running command of the binary; its output goes to files that failures can quote. */
class Process {
  constructor(name, args, folder, env = {}) {
    this.name = name;
    this.paths = [join(folder, `${name}.out`), join(folder, `${name}.err`)];
    const [out, err] = this.paths.map((path) => openSync(path, 'w'));
    // A developer's own settings must not reach the binary under test.
    const clean = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('EVOLINK_')));
    this.child = spawn(process.env.EVOLINK_GATEWAY_BIN, args, {
      cwd: folder,
      env: { ...clean, ...env },
      stdio: ['ignore', out, err],
    });
    closeSync(out);
    closeSync(err);
    this.ended = new Promise((resolve, reject) => {
      this.child.once('exit', (code, signal) => resolve(code ?? signal));
      this.child.once('error', reject);
    });
  }

  get out() {
    return readFileSync(this.paths[0], 'utf8');
  }

  get err() {
    return readFileSync(this.paths[1], 'utf8');
  }

  /** What `find` makes of this process, as soon as that is not undefined. */
  async waitFor(find) {
    const deadline = Date.now() + START_DEADLINE_MS;
    while (Date.now() < deadline && this.child.exitCode === null) {
      const found = await find(this);
      if (found !== undefined) return found;
      await sleep(20);
    }
    throw new Error(`${this.name} did not become ready:\n${this.out.slice(-2000)}${this.err.slice(-4000)}`);
  }

  /** Asks it to end and tells its exit status; a process that does not listen is killed. */
  async stop() {
    const killer = setTimeout(() => this.child.kill('SIGKILL'), STOP_DEADLINE_MS);
    this.child.kill('SIGTERM');
    const status = await this.ended;
    clearTimeout(killer);
    return status;
  }
}

function simulatorUrl(process) {
  return process.out.match(/simulator listening on (http:\/\/\S+)/)?.[1].replace(/\/$/, '');
}

function gatewayAddresses(process) {
  for (const line of process.err.split('\n').filter((text) => text.startsWith('{') && text.endsWith('}'))) {
    const entry = JSON.parse(line);
    if (entry.message !== 'listening') continue;
    return { api: `http://${entry.fields.api}`, admin: `http://${entry.fields.admin}` };
  }
  return undefined;
}

async function isReady(url) {
  const answer = await fetch(url).catch(() => undefined);
  await answer?.body?.cancel();
  return answer?.status === 200 ? true : undefined;
}

/** A simulator and a gateway. `api` and `admin` are the gateway's base URLs, `upstream` the simulator's. */
export class Stack {
  static async start() {
    const stack = new Stack();
    stack.folder = mkdtempSync(join(tmpdir(), 'evolink-gateway-sdk-'));
    try {
      await stack.#start();
    } catch (error) {
      stack.gateway?.child.kill('SIGKILL');
      stack.simulator?.child.kill('SIGKILL');
      throw error;
    }
    return stack;
  }

  async #start() {
    const flags = ['--speed', SPEED, '--estimated-time', '0', '--seed', '7'];
    this.simulator = new Process('simulator', ['simulate', '--listen', '127.0.0.1:0', ...flags], this.folder);
    this.upstream = await this.simulator.waitFor(simulatorUrl);
    const env = { SIMULATOR_URL: this.upstream, STATE_DIR: join(this.folder, 'state') };
    this.gateway = new Process('gateway', ['serve', '--config', CONFIG], this.folder, env);
    const { api, admin } = await this.gateway.waitFor(gatewayAddresses);
    Object.assign(this, { api, admin });
    await this.gateway.waitFor(() => isReady(`${admin}/readyz`));
  }

  /** An SDK client, and the list of requests it puts on the wire, retries included. */
  client(options = {}, Client = OpenAI) {
    const sent = [];
    const base = Client === OpenAI ? { baseURL: `${this.api}/v1` } : {};
    const client = new Client({
      ...base,
      apiKey: TEAM_KEY,
      fetch: (url, init) => {
        if (`${url}`.startsWith('http')) sent.push({ url, init }); // forms begin with a try at `data:,`
        return fetch(url, init);
      },
      ...options,
    });
    return { client, sent };
  }

  /** Plain HTTP with a good key, for what the SDK would never send. */
  raw(path, { headers, ...init } = {}) {
    return fetch(`${this.api}${path}`, { headers: { authorization: `Bearer ${TEAM_KEY}`, ...headers }, ...init });
  }

  /** All tasks upstream has taken, by anybody. */
  async ledger() {
    const answer = await fetch(`${this.upstream}/_simulator/ledger`);
    return (await answer.json()).tasks;
  }

  /** The tasks upstream has taken for this prompt. */
  async tasks(prompt) {
    return (await this.ledger()).filter((task) => task.body.prompt === prompt);
  }

  /**
   * What `call` gives, and the pictures and the mask that upstream was given for this prompt's first task.
   *
   * They are deleted upstream after the task's end, so the prompt should take its time (`[latency:…]`).
   */
  async whileRunning(prompt, call) {
    let ended = false;
    const answer = call().finally(() => {
      ended = true;
    });
    answer.catch(() => {}); // awaited below
    const deadline = Date.now() + TASK_DEADLINE_MS;
    let tasks = await this.tasks(prompt);
    while (tasks.length === 0 && !ended && Date.now() < deadline) {
      await sleep(20);
      tasks = await this.tasks(prompt);
    }
    if (tasks.length === 0) {
      await answer;
      throw new Error('the call made no task');
    }
    const { image_urls: urls = [], mask_url: maskUrl } = tasks[0].body;
    const [pictures, [mask]] = await Promise.all([fetchAll(urls), fetchAll(maskUrl ? [maskUrl] : [])]);
    return { answer: await answer, pictures, mask };
  }

  /** How many requests of this route the gateway has answered so, by its own count. */
  async requests(route, status) {
    const text = await (await fetch(`${this.admin}/metrics`)).text();
    const labels = [`route="${route}"`, `status="${status}"`];
    const lines = text.split('\n').filter((line) => line.startsWith('evolink_gateway_requests_total{'));
    const counted = lines.filter((line) => labels.every((label) => line.includes(label)));
    return counted.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  /** Ends both; a gateway that panicked or did not end well is an error. */
  async stop() {
    const status = await this.gateway.stop();
    await this.simulator.stop();
    if (status !== 0 || this.gateway.err.includes('panicked at')) {
      throw new Error(`the gateway ended with ${status}:\n${this.gateway.err.slice(-4000)}`);
    }
    rmSync(this.folder, { recursive: true });
  }
}

async function fetchAll(urls) {
  return Promise.all(
    urls.map(async (url) => {
      const answer = await fetch(url);
      if (answer.status !== 200) throw new Error(`${url}: ${answer.status}`);
      return Buffer.from(await answer.arrayBuffer());
    }),
  );
}

/** A prompt that no other test shares, so that the ledger can be asked about it. */
export function newPrompt(words = '') {
  return `a lighthouse at dusk, ${randomUUID()} ${words}`.trim();
}
