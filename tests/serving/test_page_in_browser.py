# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The page in a headless Chromium, from a search to recommendations."""

import pytest

from plum_jax.serving.service import Service
from tests.serving import chromium
from tests.serving.running_service import config
from tests.serving.running_service import recommend
from tests.serving.running_service import running

pytestmark = pytest.mark.browser

_ROWS = """[...document.querySelectorAll('#items tr')].map(
    (row) => [...row.cells].map((cell) => cell.textContent.trim()))"""


def _search(page, words):
  page.run(f"""(() => {{
    const field = document.getElementById('search');
    field.value = {words!r};
    field.dispatchEvent(new Event('input'));
  }})()""")


def _click(page, selector):
  page.run(f'document.querySelector({selector!r}).click()')


@pytest.mark.usefixtures('compiled_service')
def test_person_finds_items_builds_a_history_and_sees_recommendations(
    bundle_path, tmp_path
):
  with (
      running(Service(config(bundle_path))) as port,
      chromium.page(tmp_path) as page,
  ):
    page.open(f'http://127.0.0.1:{port}/')
    for number, words in enumerate(('number 7', 'NUMBER 12')):
      _search(page, words)
      page.wait_for("document.querySelectorAll('#found li').length === 1")
      page.wait_for(
          f"document.querySelector('#found .item').textContent === 'Film "
          f"number {words.split()[1]}'"
      )
      _click(page, '#found .item')
      page.wait_for(
          f"document.querySelectorAll('#history li').length === {number + 1}"
      )
    page.wait_for("document.querySelectorAll('#items tr').length === 10")
    _, answer = recommend(port, history=['i7', 'i12'], k=10)
    # Until then the page shows what it got for the first item alone.
    page.wait_for(
        "document.querySelector('#items tr').lastElementChild.textContent"
        f'.trim() === \'{answer["items"][0]["score"]:.3f}\''
    )
    assert page.run(_ROWS) == [
        [
            str(rank + 1),
            f'{item["title"]} {item["item_id"]}',
            ' › '.join(map(str, item['sid'])),
            f'{item["score"]:.3f}',
        ]
        for rank, item in enumerate(answer['items'])
    ]
    # A wrong number of items is said, not hidden.
    page.run("""(() => {
      document.getElementById('k').value = 99;
      document.getElementById('k').dispatchEvent(new Event('change'));
    })()""")
    page.wait_for("document.getElementById('error').textContent !== ''")
    assert 'at most 10' in page.run(
        "document.getElementById('error').textContent"
    )
    _click(page, '#clear')
    page.wait_for("document.querySelectorAll('#items tr').length === 0")
    # Nothing came from anywhere else; only the refusal was complained about.
    assert all(
        url.startswith(f'http://127.0.0.1:{port}/') for url in page.requested
    )
    assert [
        problem['entry']['url']
        for problem in page.problems
        if 'favicon' not in problem['entry']['url']
    ] == [f'http://127.0.0.1:{port}/recommend']
