// The settings as the server reads them.

import * as vscode from "vscode";

/** Everything under `m31r.` but what is the extension's own business, without the empty values. */
export function settings(): Record<string, unknown> {
  const { server, trace, ...rest } = vscode.workspace
    .getConfiguration()
    .get<Record<string, unknown>>("m31r", {});
  return { ...given(rest), trusted: vscode.workspace.isTrusted };
}

/** The setting `m31r.server.<name>`. */
export function ofServer<T>(name: string): T | null | undefined {
  return vscode.workspace.getConfiguration("m31r.server").get<T | null>(name);
}

function given(values: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values)
      .filter(([, value]) => value != null)
      .map(([name, value]) => [name, isTable(value) ? given(value) : value]),
  );
}

function isTable(value: unknown): value is object {
  return typeof value === "object" && !Array.isArray(value);
}
