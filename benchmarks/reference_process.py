# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Another project at work in a process and an environment of its own."""

from __future__ import annotations

from collections.abc import Mapping
import json
import pathlib
import subprocess
import threading
from typing import Any


class ReferenceProcess:
  """Answers JSON lines with JSON lines; see the scripts in `references/`.

  Attributes:
    made: the first answer, what it has made.
  """

  def __init__(
      self, script: pathlib.Path, python: str, first: Mapping[str, Any]
  ):
    """Starts the process and waits for its first answer.

    Args:
      script: what it runs.
      python: the interpreter that has what the script needs.
      first: the first request, what is to be made.
    """
    self._name = script.stem
    self._process = subprocess.Popen(
        [python, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    self._errors: list[str] = []
    threading.Thread(target=self._read_errors, daemon=True).start()
    self.send(first)
    self.made = self.receive()

  def _read_errors(self) -> None:
    assert self._process.stderr is not None
    self._errors.extend(self._process.stderr)

  def send(self, request: Mapping[str, Any]) -> None:
    """Asks for something."""
    assert self._process.stdin is not None
    self._process.stdin.write(json.dumps(request) + '\n')
    self._process.stdin.flush()

  def receive(self) -> dict[str, Any]:
    """Waits for the answer.

    Raises:
      RuntimeError: the process has ended.
    """
    assert self._process.stdout is not None
    line = self._process.stdout.readline()
    if not line:
      self._process.wait()
      raise RuntimeError(f'{self._name} failed: {"".join(self._errors)}')
    return json.loads(line)

  def close(self) -> None:
    """Ends the process."""
    assert self._process.stdin is not None
    self._process.stdin.close()
    self._process.wait()
