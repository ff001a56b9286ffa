"""The programs that `backup` and `restore` run."""

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.test import TestCase

from backend.core.backup import postgres_tools
from backend.core.backup.postgres_tools import ToolError, run_pg_dump


def write_program(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


class PostgresToolsTest(TestCase):
    @pytest.fixture(autouse=True)
    def use_folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.version = connection.pg_version // 10_000  # type: ignore[attr-defined]

    def candidates(self, *paths: str) -> Any:
        return mock.patch.object(postgres_tools, "_list_candidates", return_value=iter(paths))

    def test_missing_program_is_reported(self) -> None:
        with self.candidates(), pytest.raises(ToolError) as raised, run_pg_dump():
            pass
        assert str(raised.value) == (
            f"pg_dump of PostgreSQL {self.version} or newer is required: it is not installed."
        )

    def test_old_program_is_skipped_or_reported(self) -> None:
        old = write_program(self.folder, "old", f'echo "pg_dump (PostgreSQL) {self.version - 1}.9"')
        new = write_program(self.folder, "new", f'echo "pg_dump (PostgreSQL) {self.version}.0 (Debian)"')
        with self.candidates(old, new):
            assert postgres_tools._find_tool("pg_dump") == new
        with self.candidates(old), pytest.raises(ToolError, match=f"{old} is of version {self.version - 1}"):
            postgres_tools._find_tool("pg_dump")

    def test_password_is_in_the_environment_only(self) -> None:
        program = write_program(self.folder, "pg_dump", 'echo "[$PGPASSWORD] $*" >&2; exit 1')
        with (
            mock.patch.dict(connection.settings_dict, PASSWORD="the password"),
            mock.patch.object(postgres_tools, "_find_tool", return_value=program),
            pytest.raises(ToolError) as raised,
            run_pg_dump(),
        ):
            pass
        message = str(raised.value)
        assert "[the password] --" in message
        assert message.count("the password") == 1
