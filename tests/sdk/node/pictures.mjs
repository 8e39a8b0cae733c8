// Makes pictures to send, and judges those that come back: base64 or a link, and the size and format asked for.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';

import { imageSize } from './stack.mjs';

/** How a whole file ends, by format; WebP instead tells its length in its head. */
const TRAILERS = { png: Buffer.from('49454e44ae426082', 'hex'), jpg: Buffer.from('ffd9', 'hex') };

/** A plain PNG; another colour is another picture. */
export function drawn(red, green, blue, { width = 512, height = 512 } = {}) {
  return png(width, height, 2, () => [red, green, blue]);
}

/** A PNG whose left half is to be made anew: transparent there, opaque elsewhere. */
export function mask({ width = 512, height = 512 } = {}) {
  return png(width, height, 6, (x) => [0, 0, 0, x < width / 2 ? 0 : 255]);
}

/** Colour type 2 is RGB, 6 is RGBA; eight bits a channel. */
function png(width, height, colourType, pixel) {
  const row = Array.from({ length: width }, (_, x) => pixel(x)).flat();
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, colourType], 8);
  const rows = Buffer.concat(Array.from({ length: height }, () => Buffer.from([0, ...row])));
  const chunks = [chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...chunks]);
}

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name), data]);
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
}

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** The bytes of one `data[]` item that carries base64, and nothing else. */
export function decode(item) {
  assert.equal(item.url, undefined);
  const bytes = Buffer.from(item.b64_json, 'base64');
  assert.equal(bytes.toString('base64'), item.b64_json, 'not plain base64');
  return bytes;
}

/** The bytes behind the link of one `data[]` item, and nothing else. */
export async function fetched(item, type = 'image/png') {
  assert.equal(item.b64_json, undefined);
  const answer = await fetch(item.url);
  assert.equal(answer.headers.get('content-type'), type);
  return Buffer.from(await answer.arrayBuffer());
}

export function assertPicture(bytes, size, type = 'png') {
  const found = imageSize(bytes);
  assert.equal(found.type, type);
  assert.equal(`${found.width}x${found.height}`, size);
  if (type === 'webp') {
    assert.equal(bytes.readUInt32LE(4) + 8, bytes.length, 'cut short');
  } else {
    assert.ok(bytes.subarray(-TRAILERS[type].length).equals(TRAILERS[type]), 'cut short');
  }
}

export function digest(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}
