// Inspects a picture of raw RGB pixels: node inspect.js ADDRESS MODEL WIDTH HEIGHT FILE
//
// Picture and mask are segments of shared memory, on Linux files of /dev/shm: nothing of them goes through the socket.
// Needs: npm install @grpc/grpc-js @grpc/proto-loader
'use strict';

const fs = require('fs');
const path = require('path');
const { promisify } = require('util');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const PROTO = process.env.EDGE_AGENT_PROTO || path.join(__dirname, '..', '..', 'proto', 'edge-agent.proto');

/** A segment of our own; `close` removes it. */
class Segment {
  constructor(what, size) {
    this.name = `/example-${what}-${process.pid}`;
    this.size = size;
    this.descriptor = fs.openSync(`/dev/shm${this.name}`, 'wx+', 0o600);
    fs.ftruncateSync(this.descriptor, size);
  }

  get handle() {
    return { name: this.name, size: this.size };
  }

  close() {
    fs.closeSync(this.descriptor);
    fs.unlinkSync(`/dev/shm${this.name}`);
  }
}

/** Start the model if it does not run, and wait until it does. */
async function start(agent, model) {
  for (;;) {
    const { model_description: found } = await agent.describe({ model_component: model });
    if (found.status === 'RUNNING') return;
    if (found.status === 'FAILED') throw new Error(found.status_message);
    if (found.status === 'STOPPED') await agent.start({ model_component: model });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function connect(address) {
  const loaded = loader.loadSync(PROTO, { keepCase: true, enums: String, defaults: true });
  const { EdgeAgent } = grpc.loadPackageDefinition(loaded).AWS.LookoutVision;
  const client = new EdgeAgent(address, grpc.credentials.createInsecure());
  return {
    describe: promisify(client.DescribeModel.bind(client)),
    start: promisify(client.StartModel.bind(client)),
    detect: (request) =>
      promisify((done) => client.DetectAnomalies(request, { deadline: Date.now() + 5000 }, done))(),
    close: () => client.close(),
  };
}

async function inspect([address, model, width, height, file]) {
  const pixels = fs.readFileSync(file);
  const size = width * height * 3;
  if (pixels.length < size) throw new Error(`${file} has ${pixels.length} bytes, expected ${size}`);
  const agent = connect(address);
  const picture = new Segment('picture', size);
  const mask = new Segment('mask', size);
  try {
    await start(agent, model);
    fs.writeSync(picture.descriptor, pixels, 0, size, 0);
    const { detect_anomaly_result: result } = await agent.detect({
      model_component: model,
      bitmap: { width, height, shared_memory_handle: picture.handle },
      anomaly_mask_params: { shared_memory_handle: mask.handle },
    });
    let marked = 0;
    if (result.anomaly_mask) {
      const found = Buffer.alloc(size);
      fs.readSync(mask.descriptor, found, 0, size, 0);
      for (let at = 0; at < size; at += 3) {
        if (found[at] !== 255 || found[at + 1] !== 255 || found[at + 2] !== 255) marked += 1;
      }
    }
    const share = ((300 * marked) / size).toFixed(2);
    console.log(`${result.is_anomalous ? 'anomalous' : 'normal'}, confidence ${result.confidence.toFixed(4)}, ${share} % marked`);
  } finally {
    picture.close();
    mask.close();
    agent.close();
  }
}

const given = process.argv.slice(2);
if (given.length !== 5) {
  console.error('usage: node inspect.js unix:///PATH MODEL WIDTH HEIGHT FILE');
  process.exitCode = 2;
} else {
  given[2] = Number(given[2]);
  given[3] = Number(given[3]);
  inspect(given).catch((error) => {
    console.error(`inspect: ${error.details || error.message}`);
    process.exitCode = 1;
  });
}
