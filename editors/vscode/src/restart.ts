// When a server that has ended starts again.

const MOST = 5;
const WITHIN_MS = 3 * 60 * 1000;

/**
 * A function that is told when a server ended, in ms, and returns how many ms to wait before it is
 * started again: 1 s, 2 s, 4 s and so on; undefined after five restarts within three minutes.
 */
export function createBackoff(): (now: number) => number | undefined {
  let ends: number[] = [];
  return (now) => {
    ends = [...ends.filter((each) => now - each < WITHIN_MS), now];
    return ends.length > MOST ? undefined : 1000 * 2 ** (ends.length - 1);
  };
}
