# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, spoken to over its debugging pipe."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess

_NAMES = ('chromium', 'chromium-browser', 'google-chrome')


def find() -> str | None:
  """Returns the path of a Chromium, or None."""
  return next(filter(None, map(shutil.which, _NAMES)), None)


class Page:
  """A page in a browser.

  Attributes:
    requested: the URLs that the page has asked for.
    problems: what it has complained about.
  """

  def __init__(self, to_browser, from_browser):
    self._to, self._from = to_browser, from_browser
    self._number, self._session = 0, None
    self.requested, self.problems = [], []

  def open(self, url):
    target = self._call('Target.createTarget', url='about:blank')['targetId']
    attached = self._call(
        'Target.attachToTarget', targetId=target, flatten=True
    )
    self._session = attached['sessionId']
    for domain in ('Network', 'Runtime', 'Log', 'Page'):
      self._call(f'{domain}.enable')
    self._call('Page.navigate', url=url)
    self.wait_for("document.readyState === 'complete'")

  def run(self, script):
    """Returns the value of an expression."""
    found = self._call(
        'Runtime.evaluate',
        expression=script,
        awaitPromise=True,
        returnByValue=True,
    )
    assert 'exceptionDetails' not in found, found
    return found['result'].get('value')

  def wait_for(self, condition):
    """Waits until an expression is true."""
    self.run(f"""new Promise((resolve, reject) => {{
      const ends = Date.now() + 30000;
      const look = () => {{
        if ({condition}) resolve();
        else if (Date.now() > ends) reject(new Error({condition!r}));
        else setTimeout(look, 20);
      }};
      look();
    }})""")

  def _call(self, method, **parameters):
    self._number += 1
    message = {'id': self._number, 'method': method, 'params': parameters}
    if self._session:
      message['sessionId'] = self._session
    self._to.write(json.dumps(message).encode() + b'\0')
    self._to.flush()
    while True:
      found = json.loads(self._read())
      if found.get('id') == self._number:
        assert 'error' not in found, found
        return found['result']
      self._note(found)

  def _read(self):
    text = bytearray()
    while (character := self._from.read(1)) != b'\0':
      assert character, 'the browser has ended'
      text += character
    return bytes(text)

  def _note(self, event):
    if event.get('method') == 'Network.requestWillBeSent':
      self.requested.append(event['params']['request']['url'])
    elif event.get('method') in ('Runtime.exceptionThrown', 'Log.entryAdded'):
      self.problems.append(event['params'])


@contextlib.contextmanager
def page(profile):
  """Starts a browser with an empty profile, and yields a page."""
  program = find()
  assert program is not None
  commands, to_browser = os.pipe()
  from_browser, answers = os.pipe()

  process = subprocess.Popen(
      [
          'bash',
          '-c',
          # The browser reads descriptor 3 and writes to 4.
          f'exec "$0" "$@" 3<&{commands} 4>&{answers}',
          program,
          '--headless',
          '--no-sandbox',
          '--disable-gpu',
          '--disable-dev-shm-usage',
          '--no-first-run',
          '--disable-background-networking',
          f'--user-data-dir={profile}',
          '--remote-debugging-pipe',
      ],
      pass_fds=(commands, answers),
      stdout=subprocess.DEVNULL,
      stderr=subprocess.DEVNULL,
  )
  os.close(commands)
  os.close(answers)
  try:
    with open(to_browser, 'wb') as to, open(from_browser, 'rb') as of:
      yield Page(to, of)
  finally:
    process.terminate()
    process.wait()
