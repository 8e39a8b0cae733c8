// Judges the pictures that come back: base64 or a link, and the size and format asked for.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

import { imageSize } from './stack.mjs';

/** How a whole file ends, by format; WebP instead tells its length in its head. */
const TRAILERS = { png: Buffer.from('49454e44ae426082', 'hex'), jpg: Buffer.from('ffd9', 'hex') };

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
