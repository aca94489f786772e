"""initialize, initialized and the notifications that change the settings."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, cast

from lsprotocol import types
from pygls.uris import to_fs_path

from m31r_core.errors import ConfigError
from m31r_lsp import silence
from m31r_lsp.client import abilities
from m31r_lsp.documents import Encoding
from m31r_lsp.requests import document_save
from m31r_lsp.server import M31RServer
from m31r_lsp.settings import (
    WORKSPACE_FILE,
    Settings,
    editor_section,
    resolve,
    workspace_section,
)

logger = logging.getLogger(__name__)

_WATCHED = (WORKSPACE_FILE, "*.rs", "Cargo.toml", "Cargo.lock")


def register(server: M31RServer) -> None:
    """Register the requests of a session's start, and those that change its settings."""
    server.feature(types.INITIALIZE)(initialize)
    server.feature(types.INITIALIZED)(initialized)
    server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)(did_change_configuration)
    server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)(did_change_watched_files)
    server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)(did_change_workspace_folders)
    server.feature(types.SHUTDOWN)(shutdown)


def initialize(server: M31RServer, params: types.InitializeParams) -> None:
    """Take over encoding, folder and settings, and have the model loaded meanwhile."""
    server.documents.encoding = _encoding(server.workspace.position_encoding)
    server.client = abilities(params.capabilities)
    server.roots = _roots(params)
    server.editor = params.process_id
    server.watch_parent(params.process_id)
    server.initial_settings = params.initialization_options
    apply(server)


async def initialized(server: M31RServer, params: types.InitializedParams) -> None:
    """Ask to hear of changes to the workspace's settings, and for the editor's."""
    workspace = server.client_capabilities.workspace
    watched = workspace and workspace.did_change_watched_files
    if watched and watched.dynamic_registration:
        watchers = [types.FileSystemWatcher(glob_pattern=f"**/{name}") for name in _WATCHED]
        options = types.DidChangeWatchedFilesRegistrationOptions(watchers=watchers)
        registration = types.Registration(
            id=WORKSPACE_FILE,
            method=types.WORKSPACE_DID_CHANGE_WATCHED_FILES,
            register_options=options,
        )
        await server.client_register_capability_async(
            types.RegistrationParams(registrations=[registration])
        )


async def did_change_configuration(
    server: M31RServer, params: types.DidChangeConfigurationParams
) -> None:
    """Take over new settings; a client that sends none is asked for them."""
    settings = params.settings
    workspace = server.client_capabilities.workspace
    if not settings and workspace and workspace.configuration:
        item = types.ConfigurationItem(section="m31r")
        answers = await server.workspace_configuration_async(
            types.ConfigurationParams(items=[item])
        )
        settings = answers[0] if answers else None
    before = _says_enabled(server)
    server.editor_settings = settings
    if _says_enabled(server) != before:
        server.toggled = None
    apply(server)


def did_change_workspace_folders(
    server: M31RServer, params: types.DidChangeWorkspaceFoldersParams
) -> None:
    """Take over folders that came or went, and what their settings say."""
    gone = {to_fs_path(folder.uri) for folder in params.event.removed}
    come = [path for folder in params.event.added if (path := to_fs_path(folder.uri))]
    kept = [root for root in server.roots if str(root) not in gone]
    server.roots = tuple(dict.fromkeys([*kept, *map(Path, come)]))
    apply(server)


def did_change_watched_files(server: M31RServer, params: types.DidChangeWatchedFilesParams) -> None:
    """Read the workspace's settings again, and know that the crate is not what it was."""
    names = {PurePosixPath(change.uri).name for change in params.changes}
    if WORKSPACE_FILE in names:
        apply(server)
    if names - {WORKSPACE_FILE}:
        server.generation += 1
    for change in params.changes:
        path = to_fs_path(change.uri)
        file = Path(path).resolve() if path else None
        if path:
            server.indexing.changed(Path(path))
        # What is open changes through the editor, which moves the diagnostics along.
        if file is not None and server.documents.of_file(file) is None:
            document_save.clear(server, file)


def shutdown(server: M31RServer, params: None) -> None:
    """Answer what is under way before the session ends."""
    server.worker.cancel_all()
    server.stop_checks()
    server.acceptance.write()


def apply(server: M31RServer) -> None:
    """Lay all settings over each other again and do what follows from a change."""
    sources = {
        "initializationOptions": editor_section(server.initial_settings),
        "editor settings": editor_section(server.editor_settings),
    }
    settings, refusals = _toggled(server, sources)
    server.model_named_in = None
    server.settings_below.clear()
    for root in reversed(server.roots) if settings.trusted else ():
        try:
            section = dict(workspace_section(root))
        except ConfigError as error:
            refusals.append(str(error))
            continue
        # Whether the workspace is trusted is not for the workspace to say.
        section.pop("trusted", None)
        if not section:
            continue
        of_root, refused = _toggled(server, {**sources, str(root / WORKSPACE_FILE): section})
        refusals += [line for line in refused if line not in refusals]
        server.settings_below[root] = of_root
        if resolve({"": section})[0].model.path is not None:
            server.model_named_in = root
    # What there is once for all folders, as the model, the first one decides.
    if server.roots:
        settings = server.settings_below.get(server.roots[0], settings)
    for line in refusals:
        if line not in server.told:
            logger.warning(line)
            server.tell(f"M31R: {line}", types.MessageType.Warning)
    server.told = frozenset(refusals)
    if settings != server.settings:
        server.shown.clear()
    server.settings = settings
    server.surroundings.limit(settings.context.max_index_mb * 10**6)
    server.status.switched_off(silence.switched_off(settings))
    if not settings.trusted or not settings.check.enabled:
        server.stop_checks()
        server.offers.clear()
        document_save.clear(server)
    server.load_model()
    server.indexing.begin()


def _toggled(
    server: M31RServer, sources: Mapping[str, Mapping[str, Any]]
) -> tuple[Settings, list[str]]:
    """Lay the user's word on ghost text over the sources."""
    toggle = {} if server.toggled is None else {"completion": {"enabled": server.toggled}}
    return resolve({**sources, "m31r.toggle": toggle})


def _says_enabled(server: M31RServer) -> bool:
    return resolve({"": editor_section(server.editor_settings)})[0].completion.enabled


def _roots(params: types.InitializeParams) -> tuple[Path, ...]:
    uris = [folder.uri for folder in params.workspace_folders or []]
    if not uris and params.root_uri:
        uris = [params.root_uri]
    paths = [to_fs_path(uri) for uri in uris] or [params.root_path]
    return tuple(Path(path) for path in paths if path)


def _encoding(negotiated: Any) -> Encoding:
    return cast(Encoding, str(getattr(negotiated, "value", negotiated)))
