// Draws images/icon.png: a tilted spiral galaxy with an R in its core.

import { writeFileSync } from "node:fs";
import path from "node:path";
import { crc32, deflateSync } from "node:zlib";

const SIZE = 128;
const SAMPLES = 4;
const NIGHT = [20, 20, 43];
const ARMS = [150, 170, 255];
const CORE = [255, 222, 173];

const mix = (from, to, share) => from.map((each, i) => each + (to[i] - each) * share);
const clamp = (value) => Math.min(1, Math.max(0, value));

/** Whether (x, y), each from 0 to 1 over the letter's box, lies on the R. */
function onR(x, y) {
  if (x < 0 || x > 1 || y < 0 || y > 1) return false;
  if (x < 0.24) return true;
  const [dx, dy] = [(x - 0.42) / 0.56, (y - 0.29) / 0.29];
  const bowl = Math.hypot(Math.max(0, dx), dy);
  if (y <= 0.58 && bowl <= 1 && !(Math.abs(dy) < 0.36 && (dx < 0 || bowl < 0.58))) return true;
  return y > 0.5 && Math.abs(x - (0.42 + (y - 0.5) * 0.95)) < 0.16;
}

/** The colour at (x, y), each from -1 to 1. */
function colour(x, y) {
  const tilt = -0.5;
  const u = x * Math.cos(tilt) - y * Math.sin(tilt);
  const v = (x * Math.sin(tilt) + y * Math.cos(tilt)) / 0.6;
  const radius = Math.hypot(u, v);
  const wave = 0.5 + 0.5 * Math.cos(2 * (Math.atan2(v, u) - 2.4 * Math.log(radius + 0.02)));
  const light = clamp(wave ** 2.5 * 2.2) * clamp((1.04 - radius) * 3) * clamp(1.2 - radius * 0.75);
  const glow = Math.exp(-((radius / 0.4) ** 4));
  const sky = mix(mix(NIGHT, ARMS, light), CORE, glow);
  return onR((x + 0.2) / 0.44, (y + 0.26) / 0.52) ? NIGHT : sky;
}

/** How much of a square with round corners lies under (x, y). */
const inside = (x, y) => {
  const over = [Math.abs(x) - 0.72, Math.abs(y) - 0.72].map((each) => Math.max(0, each));
  return Math.hypot(...over) <= 0.26;
};

const rows = [];
for (let row = 0; row < SIZE; row++) {
  const line = [0];
  for (let column = 0; column < SIZE; column++) {
    let [sum, hits] = [[0, 0, 0], 0];
    for (let k = 0; k < SAMPLES * SAMPLES; k++) {
      const x = ((column + ((k % SAMPLES) + 0.5) / SAMPLES) / SIZE) * 2 - 1;
      const y = ((row + (Math.floor(k / SAMPLES) + 0.5) / SAMPLES) / SIZE) * 2 - 1;
      if (!inside(x, y)) continue;
      hits += 1;
      sum = colour(x, y).map((each, i) => each + sum[i]);
    }
    line.push(...sum.map((each) => Math.round(each / Math.max(1, hits))));
    line.push(Math.round((hits / SAMPLES ** 2) * 255));
  }
  rows.push(Buffer.from(line));
}

function chunk(kind, data) {
  const body = Buffer.concat([Buffer.from(kind), data]);
  const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  size.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([size, body, sum]);
}

const header = Buffer.alloc(13);
header.writeUInt32BE(SIZE, 0);
header.writeUInt32BE(SIZE, 4);
header.set([8, 6, 0, 0, 0], 8);
const png = Buffer.concat([
  Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
  chunk("IHDR", header),
  chunk("IDAT", deflateSync(Buffer.concat(rows), { level: 9 })),
  chunk("IEND", Buffer.alloc(0)),
]);
writeFileSync(path.join(import.meta.dirname, "..", "images", "icon.png"), png);
