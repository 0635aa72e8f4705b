// What tools of the browser's world (Lens, Headlamp, operators in JavaScript) do with the official client, as one program.
// node client.mjs LIBRARY KUBECONFIG NAMESPACE [SCENARIO...]: runs the scenarios of this file side by side, each on objects of
// its own, and prints a line of JSON for each: {"name": ..., "error": "" or why}.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';

const [library, kubeconfig, namespace, ...wanted] = process.argv.slice(2);
const k8s = await import(pathToFileURL(library));
const config = new k8s.KubeConfig();
config.loadFromFile(kubeconfig);
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);
const configMaps = `/api/v1/namespaces/${namespace}/configmaps`;

const typed = (strategy) => k8s.setHeaderOptions('Content-Type', strategy);
const map = (name, data = {}, labels = {}) => ({ metadata: { name, namespace, labels }, data });
const pod = (name, ...command) => ({
  metadata: { name, labels: { app: name } },
  spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: 'busybox', command, ports: [{ containerPort: 80 }] }] },
});
const deployment = (name, image, replicas) => ({
  metadata: { name },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'main', image }] } },
  },
});

async function code(promise) {
  const error = await promise.then(() => null, (error) => error);
  assert.ok(error, 'it was not refused');
  return [error.code, JSON.parse(error.body).reason];
}

async function until(condition, what) {
  const end = Date.now() + 20_000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function running(name, ...command) {
  await core.createNamespacedPod({ namespace, body: pod(name, ...command) });
  await until(async () => (await core.readNamespacedPod({ name, namespace })).status.phase === 'Running', `${name} to run`);
}

function gathered(stream) {
  const pieces = [];
  stream.on('data', (piece) => pieces.push(piece));
  return () => Buffer.concat(pieces).toString();
}

const scenarios = {
  async creates_reads_replaces_and_deletes() {
    const made = await core.createNamespacedConfigMap({ namespace, body: map('crud', { a: '1' }) });
    assert.ok(made.metadata.uid && made.metadata.creationTimestamp instanceof Date);
    assert.deepEqual(await code(core.createNamespacedConfigMap({ namespace, body: map('crud') })), [409, 'AlreadyExists']);
    made.data = { b: '2' };
    const replaced = await core.replaceNamespacedConfigMap({ name: 'crud', namespace, body: made });
    assert.deepEqual(replaced.data, { b: '2' });
    assert.deepEqual(await code(core.replaceNamespacedConfigMap({ name: 'crud', namespace, body: made })), [409, 'Conflict']);
    const dry = await core.createNamespacedConfigMap({ namespace, body: map('dry'), dryRun: 'All' });
    assert.equal(dry.metadata.name, 'dry');
    await core.deleteNamespacedConfigMap({ name: 'crud', namespace });
    assert.deepEqual(await code(core.readNamespacedConfigMap({ name: 'crud', namespace })), [404, 'NotFound']);
    assert.deepEqual(await code(core.readNamespacedConfigMap({ name: 'dry', namespace })), [404, 'NotFound']);
    assert.deepEqual(await code(core.createNamespacedConfigMap({ namespace, body: map('Not_A_Name') })), [422, 'Invalid']);
  },

  async patches_in_four_ways() {
    await apps.createNamespacedDeployment({ namespace, body: deployment('patched', 'a:1', 0) });
    const patch = (body, strategy, more = {}) =>
      apps.patchNamespacedDeployment({ name: 'patched', namespace, body, ...more }, typed(strategy));
    const json = await patch([{ op: 'replace', path: '/spec/template/spec/containers/0/image', value: 'a:2' }], k8s.PatchStrategy.JsonPatch);
    assert.equal(json.spec.template.spec.containers[0].image, 'a:2');
    const merged = await patch({ metadata: { labels: { tier: 'front' } } }, k8s.PatchStrategy.MergePatch);
    assert.equal(merged.metadata.labels.tier, 'front');
    const added = { spec: { template: { spec: { containers: [{ name: 'side', image: 'b:1' }] } } } };
    const strategic = await patch(added, k8s.PatchStrategy.StrategicMergePatch);
    assert.deepEqual(strategic.spec.template.spec.containers.map((each) => each.name).sort(), ['main', 'side']);
    const own = { apiVersion: 'apps/v1', kind: 'Deployment', ...deployment('patched', 'a:3', 0) };
    const mine = { fieldManager: 'script' };
    assert.deepEqual(await code(patch(own, k8s.PatchStrategy.ServerSideApply, mine)), [409, 'Conflict']);
    const applied = await patch(own, k8s.PatchStrategy.ServerSideApply, { ...mine, force: true });
    assert.deepEqual(applied.spec.template.spec.containers.map((each) => each.image).sort(), ['a:3', 'b:1']);
    assert.ok(applied.metadata.managedFields.some((each) => each.manager === 'script' && each.operation === 'Apply'));
  },

  async lists_in_pieces_and_by_selector() {
    for (let at = 0; at < 5; at++) await core.createNamespacedConfigMap({ namespace, body: map(`page-${at}`, {}, { set: 'pages' }) });
    const seen = [];
    let _continue;
    do {
      const page = await core.listNamespacedConfigMap({ namespace, labelSelector: 'set in (pages)', limit: 2, _continue });
      assert.ok(page.items.length <= 2);
      seen.push(...page.items.map((each) => each.metadata.name));
      _continue = page.metadata._continue;
    } while (_continue);
    assert.deepEqual(seen, ['page-0', 'page-1', 'page-2', 'page-3', 'page-4']);
    const one = await core.listNamespacedConfigMap({ namespace, fieldSelector: 'metadata.name=page-3' });
    assert.equal(one.items.length, 1);
    await core.deleteCollectionNamespacedConfigMap({ namespace, labelSelector: 'set=pages' });
    assert.equal((await core.listNamespacedConfigMap({ namespace, labelSelector: 'set=pages' })).items.length, 0);
  },

  async watches() {
    const { metadata } = await core.listNamespacedConfigMap({ namespace });
    const events = [];
    let ended;
    const end = new Promise((resolve) => (ended = resolve));
    const query = { resourceVersion: metadata.resourceVersion, allowWatchBookmarks: true, labelSelector: 'set=watched' };
    const abort = await new k8s.Watch(config).watch(configMaps, query, (type, obj) => events.push([type, obj.metadata.name]), ended);
    await core.createNamespacedConfigMap({ namespace, body: map('watched', {}, { set: 'watched' }) });
    await core.patchNamespacedConfigMap({ name: 'watched', namespace, body: { data: { a: 'b' } } }, typed(k8s.PatchStrategy.MergePatch));
    await core.deleteNamespacedConfigMap({ name: 'watched', namespace });
    await until(() => events.length === 3, 'three events');
    assert.deepEqual(events.map(([type]) => type), ['ADDED', 'MODIFIED', 'DELETED']);
    abort.abort();
    await end;
    // A watch that the server ends by its time is no error, one from a revision long gone is 410.
    const timed = await new Promise((resolve) => {
      new k8s.Watch(config).watch(configMaps, { timeoutSeconds: 1 }, () => {}, resolve);
    });
    assert.equal(timed, null);
  },

  async informs_across_reconnects() {
    const list = () => core.listNamespacedConfigMap({ namespace, labelSelector: 'set=informed' });
    const informer = k8s.makeInformer(config, configMaps, list, 'set=informed');
    const told = [];
    for (const verb of ['add', 'update', 'delete']) informer.on(verb, (obj) => told.push(`${verb} ${obj.metadata.name}`));
    let connects = 0;
    informer.on('connect', () => connects++);
    let failure = null; // its own stop() is told as an error, too
    informer.on('error', (error) => (failure ??= error.name === 'AbortError' ? null : error));
    await core.createNamespacedConfigMap({ namespace, body: map('informed-1', {}, { set: 'informed' }) });
    await informer.start();
    await until(() => told.includes('add informed-1'), 'the first list');
    await core.createNamespacedConfigMap({ namespace, body: map('informed-2', {}, { set: 'informed' }) });
    await until(() => told.includes('add informed-2'), 'an addition');
    // Its connection is cut, and what happened meanwhile is made up for.
    await informer.stop();
    await core.patchNamespacedConfigMap({ name: 'informed-1', namespace, body: { data: { a: 'b' } } }, typed(k8s.PatchStrategy.MergePatch));
    await core.deleteNamespacedConfigMap({ name: 'informed-2', namespace });
    await informer.start();
    await until(() => told.includes('update informed-1') && told.includes('delete informed-2'), 'what was missed');
    assert.equal(informer.list().length, 1);
    assert.equal(informer.get('informed-1', namespace).data.a, 'b');
    assert.ok(connects >= 2);
    await informer.stop();
    assert.equal(failure, null);
  },

  async holds_a_lease() {
    const leases = config.makeApiClient(k8s.CoordinationV1Api);
    const spec = (holder) => ({ holderIdentity: holder, leaseDurationSeconds: 15, acquireTime: new k8s.V1MicroTime(), renewTime: new k8s.V1MicroTime() });
    const mine = await leases.createNamespacedLease({ namespace, body: { metadata: { name: 'lead' }, spec: spec('me') } });
    const other = await leases.readNamespacedLease({ name: 'lead', namespace });
    mine.spec = { ...spec('me'), leaseTransitions: 1 };
    const renewed = await leases.replaceNamespacedLease({ name: 'lead', namespace, body: mine });
    assert.equal(renewed.spec.leaseTransitions, 1);
    assert.equal(+new Date(renewed.spec.renewTime), +mine.spec.renewTime); // which it leaves a text
    other.spec.holderIdentity = 'other';
    assert.deepEqual(await code(leases.replaceNamespacedLease({ name: 'lead', namespace, body: other })), [409, 'Conflict']);
  },

  async works_on_kinds_it_has_no_types_for() {
    const objects = k8s.KubernetesObjectApi.makeApiClient(config);
    const widget = { apiVersion: 'compat.example.com/v1', kind: 'Widget', metadata: { name: 'dynamic', namespace }, spec: { colour: 'red' } };
    await objects.create(widget);
    const read = await objects.read(widget);
    assert.equal(read.spec.colour, 'red');
    const patched = await objects.patch({ ...widget, spec: { colour: 'blue' } }, undefined, undefined, 'script', true, k8s.PatchStrategy.ServerSideApply);
    assert.equal(patched.spec.colour, 'blue');
    assert.equal((await objects.list('compat.example.com/v1', 'Widget', namespace)).items.length, 1);
    const custom = config.makeApiClient(k8s.CustomObjectsApi);
    const place = { group: 'compat.example.com', version: 'v1', namespace, plural: 'widgets' };
    const merged = await custom.patchNamespacedCustomObject({ ...place, name: 'dynamic', body: { spec: { colour: 'green' } } }, typed(k8s.PatchStrategy.MergePatch));
    assert.equal(merged.spec.colour, 'green');
    await custom.deleteNamespacedCustomObject({ ...place, name: 'dynamic' });
    assert.deepEqual(await code(custom.getNamespacedCustomObject({ ...place, name: 'dynamic' })), [404, 'NotFound']);
  },

  async scales_and_sees_pods_come_and_go() {
    await apps.createNamespacedDeployment({ namespace, body: deployment('scaled', 'a:1', 1) });
    await apps.patchNamespacedDeploymentScale({ name: 'scaled', namespace, body: { spec: { replicas: 2 } } }, typed(k8s.PatchStrategy.MergePatch));
    assert.equal((await apps.readNamespacedDeploymentScale({ name: 'scaled', namespace })).spec.replicas, 2);
    const pods = async () => (await core.listNamespacedPod({ namespace, labelSelector: 'app=scaled' })).items;
    await until(async () => (await apps.readNamespacedDeployment({ name: 'scaled', namespace })).status.readyReplicas === 2, 'two pods');
    const [first] = await pods();
    await core.createNamespacedPodEviction({ name: first.metadata.name, namespace, body: { metadata: { name: first.metadata.name } } });
    await until(async () => (await pods()).every((each) => each.metadata.uid !== first.metadata.uid), 'the evicted to go');
  },

  async asks_who_it_is_what_it_may_and_what_there_is() {
    const review = await config.makeApiClient(k8s.AuthenticationV1Api).createSelfSubjectReview({ body: {} });
    assert.equal(review.status.userInfo.username, 'kubernetes-admin');
    const access = await config.makeApiClient(k8s.AuthorizationV1Api).createSelfSubjectAccessReview({
      body: { spec: { resourceAttributes: { verb: 'list', resource: 'pods', namespace } } },
    });
    assert.equal(access.status.allowed, true);
    const groups = await config.makeApiClient(k8s.ApisApi).getAPIVersions();
    assert.ok(groups.groups.some((each) => each.name === 'apps'));
    const { minor } = await config.makeApiClient(k8s.VersionApi).getCode();
    assert.equal(minor, '36');
    assert.ok(await new k8s.Health(config).readyz({}));
    const token = await core.createNamespacedServiceAccountToken({ name: 'default', namespace, body: { spec: { expirationSeconds: 600 } } });
    const robot = new k8s.KubeConfig();
    robot.loadFromClusterAndUser(config.getCurrentCluster(), { name: 'robot', token: token.status.token });
    assert.deepEqual(await code(robot.makeApiClient(k8s.CoreV1Api).listNamespacedSecret({ namespace })), [403, 'Forbidden']);
  },

  async reads_logs_once_and_while_they_grow() {
    await running('talker', 'sh', '-c', 'echo one; echo two; sleep 3600');
    assert.equal(await core.readNamespacedPodLog({ name: 'talker', namespace }), 'one\ntwo\n');
    assert.equal(await core.readNamespacedPodLog({ name: 'talker', namespace, tailLines: 1 }), 'two\n');
    const output = new PassThrough();
    const text = gathered(output);
    const abort = await new k8s.Log(config).log(namespace, 'talker', 'main', output, { follow: true, timestamps: true });
    await until(() => /Z one\n.*Z two\n/.test(text()), 'both lines');
    abort.abort();
  },

  async enters_a_container() {
    await running('entered', 'sleep', '3600');
    const run = async (command, stdin = null) => {
      const [stdout, stderr] = [new PassThrough(), new PassThrough()];
      const [out, err] = [gathered(stdout), gathered(stderr)];
      const status = await new Promise((resolve, reject) => {
        new k8s.Exec(config).exec(namespace, 'entered', 'main', command, stdout, stderr, stdin, false, resolve).catch(reject);
      });
      return [status.status, out(), err(), status.details?.causes?.[0]?.message];
    };
    assert.deepEqual(await run(['echo', 'hi']), ['Success', 'hi\n', '', undefined]);
    assert.deepEqual(await run(['sh', '-c', 'exit 5']), ['Failure', '', '', '5']);
    assert.deepEqual((await run(['cat'], Readable.from(['typed\n'])))[1], 'typed\n');
  },

  async is_told_that_nobody_listens() {
    await running('deaf', 'sleep', '3600');
    const error = new PassThrough();
    const text = gathered(error);
    await new k8s.PortForward(config, false).portForward(namespace, 'deaf', [81], new PassThrough(), error, new PassThrough());
    await until(() => text().includes('refused'), 'the error channel');
  },
};

// Only by name, where containers are real: a pod `web` answers on port 8080.
const onContainers = {
  async forwards_a_port() {
    const forward = new k8s.PortForward(config);
    const server = createServer((socket) => forward.portForward(namespace, 'web', [8080], socket, null, socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = createConnection(server.address().port, '127.0.0.1');
    const text = gathered(socket);
    socket.write('GET / HTTP/1.0\r\n\r\n');
    await until(() => text().endsWith('served\n'), 'an answer');
    socket.destroy();
    server.close();
  },

  async enters_by_a_terminal() {
    const [stdout, stdin] = [new PassThrough(), new PassThrough()];
    const text = gathered(stdout);
    const ended = new Promise((resolve, reject) => {
      new k8s.Exec(config).exec(namespace, 'web', 'main', ['sh'], stdout, null, stdin, true, resolve).catch(reject);
    });
    stdin.write('tty; echo $((40 + 2)); exit 3\n');
    const status = await ended;
    assert.match(text(), /\/dev\/pts\/\d+\r\n42\r\n/);
    assert.equal(status.details.causes[0].message, '3');
  },

  // Its copies out of a pod are packed by gzip, which it does not unpack: only those into one are of use.
  async copies_a_file_in() {
    const directory = mkdtempSync(join(tmpdir(), 'copied-'));
    writeFileSync(join(directory, 'copied.html'), 'copied\n');
    await new k8s.Cp(config).cpToPod(namespace, 'web', 'main', directory, '/www');
    await until(async () => {
      const output = new PassThrough();
      const text = gathered(output);
      await new Promise((resolve, reject) => {
        new k8s.Exec(config).exec(namespace, 'web', 'main', ['cat', '/www/copied.html'], output, null, null, false, resolve).catch(reject);
      });
      return text() === 'copied\n';
    }, 'the file');
    rmSync(directory, { recursive: true });
  },
};

// The library's 2.x tells those who abort a stream that they did, where nobody can catch it.
process.on('uncaughtException', (error) => {
  if (error.name !== 'AbortError') throw error;
});

const names = wanted.length ? wanted : Object.keys(scenarios);
await Promise.all(names.map(async (name) => {
  const error = await { ...scenarios, ...onContainers }[name]().then(() => '', (error) => String(error.stack ?? error) + (error.body ?? ''));
  console.log(JSON.stringify({ name, error }));
}));
process.exit(0); // connections that are kept alive would keep the program, too
