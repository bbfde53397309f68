# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which tensor of a published Gemma 3 is which parameter of ours."""

from __future__ import annotations

from plum_jax.networks.config import GemmaConfig
from plum_jax.pretrained.checkpoint import DECODER_ONLY_EMBEDDING
from plum_jax.pretrained.tensor import Tensor

# Ours below a layer; Hugging Face's and GGUF's names of the same.
_MATRICES = {
    'self_attention/query/kernel': ('self_attn.q_proj', 'attn_q'),
    'self_attention/key/kernel': ('self_attn.k_proj', 'attn_k'),
    'self_attention/value/kernel': ('self_attn.v_proj', 'attn_v'),
    'self_attention/out/kernel': ('self_attn.o_proj', 'attn_output'),
    'mlp/wi_0/kernel': ('mlp.gate_proj', 'ffn_gate'),
    'mlp/wi_1/kernel': ('mlp.up_proj', 'ffn_up'),
    'mlp/wo/kernel': ('mlp.down_proj', 'ffn_down'),
}
_NORMS = {
    'pre_self_attention_layer_norm': ('input_layernorm', 'attn_norm'),
    'post_self_attention_layer_norm': (
        'post_attention_layernorm',
        'post_attention_norm',
    ),
    'pre_mlp_layer_norm': ('pre_feedforward_layernorm', 'ffn_norm'),
    'post_mlp_layer_norm': ('post_feedforward_layernorm', 'post_ffw_norm'),
    'self_attention/query_norm': ('self_attn.q_norm', 'attn_q_norm'),
    'self_attention/key_norm': ('self_attn.k_norm', 'attn_k_norm'),
}
# GGUF files hold the factors of norms, of which ours, like Hugging Face's, are
# what is beyond 1.
_GGUF_NORM_OFFSET = -1.0


def hugging_face(config: GemmaConfig) -> dict[str, Tensor]:
  """Returns the tensor of each parameter in a Hugging Face folder.

  Args:
    config: the number of layers.

  >>> tensors = hugging_face(GemmaConfig(num_layers=1))
  >>> tensors['decoder/layers_0/mlp/wo/kernel'].name
  'model.layers.0.mlp.down_proj.weight'
  """
  return _tensors(config, 0)


def gguf(config: GemmaConfig) -> dict[str, Tensor]:
  """Returns the tensor of each parameter in a GGUF file.

  Args:
    config: the number of layers.

  >>> tensors = gguf(GemmaConfig(num_layers=1))
  >>> tensors['decoder/decoder_norm/scale']
  Tensor(name='output_norm.weight', transposed=False, offset=-1.0)
  """
  return _tensors(config, 1)


def _tensors(config: GemmaConfig, form: int) -> dict[str, Tensor]:
  offset = (0.0, _GGUF_NORM_OFFSET)[form]
  found = {
      DECODER_ONLY_EMBEDDING: Tensor(
          ('model.embed_tokens.weight', 'token_embd.weight')[form], False
      ),
      'decoder/decoder_norm/scale': Tensor(
          ('model.norm.weight', 'output_norm.weight')[form], False, offset
      ),
  }
  for layer in range(config.num_layers):
    ours = f'decoder/layers_{layer}'
    theirs = (f'model.layers.{layer}', f'blk.{layer}')[form]
    for name, names in _MATRICES.items():
      found[f'{ours}/{name}'] = Tensor(f'{theirs}.{names[form]}.weight', True)
    for name, names in _NORMS.items():
      found[f'{ours}/{name}/scale'] = Tensor(
          f'{theirs}.{names[form]}.weight', False, offset
      )
  return found
