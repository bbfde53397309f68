# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes gemma/: a tiny Gemma 3 that `transformers` and `gguf` wrote.

In an environment of its own, Python 3.11:

    pip install torch==2.13.0 transformers==5.23.0 gguf==0.19.0
    python make_gemma.py

* `hugging_face/`: random weights, in several files, and `config.json`;
* `tiny.gguf`: the same weights with llama.cpp's names and some of its
  quantizations, and a tokenizer of bytes, letters and runs of spaces;
* `golden.npz`: tokens, `transformers`' logits and its greedy continuations, of
  the weights as they are and as quantized.
"""

import pathlib
import shutil

import gguf
import numpy as np
import torch
import transformers

_SIZES = {
    'vocab_size': 320,
    'hidden_size': 32,
    'num_attention_heads': 4,
    'num_key_value_heads': 2,
    'head_dim': 8,
    'intermediate_size': 64,
    'num_hidden_layers': 4,
    'sliding_window': 5,
    'query_pre_attn_scalar': 8,
}
# Layer 3 of 4 is global.
_LAYERS = ['sliding_attention', 'sliding_attention', 'full_attention']
_LENGTH, _NEW_TOKENS = 24, 8
_NAMES = {
    'input_layernorm': 'attn_norm',
    'post_attention_layernorm': 'post_attention_norm',
    'pre_feedforward_layernorm': 'ffn_norm',
    'post_feedforward_layernorm': 'post_ffw_norm',
    'self_attn.q_norm': 'attn_q_norm',
    'self_attn.k_norm': 'attn_k_norm',
    'self_attn.q_proj': 'attn_q',
    'self_attn.k_proj': 'attn_k',
    'self_attn.v_proj': 'attn_v',
    'self_attn.o_proj': 'attn_output',
    'mlp.gate_proj': 'ffn_gate',
    'mlp.up_proj': 'ffn_up',
    'mlp.down_proj': 'ffn_down',
    'model.norm': 'output_norm',
    'model.embed_tokens': 'token_embd',
}
_Q = gguf.GGMLQuantizationType


def _model():
  torch.manual_seed(0)
  config = transformers.Gemma3TextConfig(
      **_SIZES, layer_types=[*_LAYERS, 'sliding_attention']
  )
  model = transformers.Gemma3ForCausalLM(config).eval()
  with torch.no_grad():
    for name, parameter in model.named_parameters():
      if 'norm' in name:
        parameter.uniform_(-0.5, 0.5)
      else:
        parameter.normal_(0.0, 0.3)
  return model


def _kind(name: str, shape: tuple[int, ...]) -> _Q:
  """The quantization of a tensor: of several kinds, as in real files."""
  if len(shape) == 1:
    return _Q.F32
  if 'attn_q' in name:
    return _Q.F16
  return _Q.Q8_0 if name.startswith(('token', 'blk.0')) else _Q.Q5_0


def _theirs(name: str) -> str:
  for ours, theirs in _NAMES.items():
    name = name.replace(ours, theirs)
  return name.replace('model.layers.', 'blk.')


def _tokenizer() -> tuple[list[str], list[float], list[int]]:
  """Pieces, scores and kinds, as llama.cpp converts Gemma's."""
  kinds = gguf.TokenType
  pieces = [(p, -1000.0, kinds.CONTROL) for p in ('<pad>', '<eos>', '<bos>')]
  pieces += [('<unk>', -1000.0, kinds.CONTROL)]
  pieces += [('<unused0>', -1000.0, kinds.CONTROL)]
  pieces += [(p, -1000.0, kinds.USER_DEFINED) for p in ('\n', '  ', '   ')]
  pieces += [(f'<0x{i:02X}>', 0.0, kinds.BYTE) for i in range(256)]
  merges = ['th', 'the', '▁the', 'an', 'and', '▁and']
  letters = ['▁', *'abcdefghijklmnopqrstuvwxyz']
  pieces += [
      (p, -float(i), kinds.NORMAL) for i, p in enumerate([*merges, *letters])
  ]
  pieces += [
      (f'<unused{i}>', -1000.0, kinds.CONTROL)
      for i in range(1, _SIZES['vocab_size'] - len(pieces) + 1)
  ]
  tokens, scores, types = zip(*pieces, strict=True)
  return list(tokens), list(scores), [int(kind) for kind in types]


def _write_gguf(path: pathlib.Path, model) -> None:
  """Writes the file, and gives the model the weights that it then holds."""
  writer = gguf.GGUFWriter(path, 'gemma3')
  writer.add_context_length(64)
  writer.add_embedding_length(_SIZES['hidden_size'])
  writer.add_block_count(_SIZES['num_hidden_layers'])
  writer.add_feed_forward_length(_SIZES['intermediate_size'])
  writer.add_head_count(_SIZES['num_attention_heads'])
  writer.add_head_count_kv(_SIZES['num_key_value_heads'])
  writer.add_key_length(_SIZES['head_dim'])
  writer.add_value_length(_SIZES['head_dim'])
  writer.add_layer_norm_rms_eps(1e-6)
  writer.add_rope_freq_base(1e6)
  writer.add_sliding_window(_SIZES['sliding_window'])
  writer.add_sliding_window_pattern(len(_LAYERS))
  tokens, scores, types = _tokenizer()
  writer.add_tokenizer_model('llama')
  writer.add_token_list(tokens)
  writer.add_token_scores(scores)
  writer.add_token_types(types)
  writer.add_pad_token_id(0)
  writer.add_eos_token_id(1)
  writer.add_bos_token_id(2)
  writer.add_unk_token_id(3)
  writer.add_add_space_prefix(False)
  for name, parameter in model.named_parameters():
    numbers = parameter.detach().numpy()
    is_norm = 'norm' in name
    theirs = _theirs(name)
    kind = _kind(theirs, numbers.shape)
    data = gguf.quants.quantize(numbers + 1 if is_norm else numbers, kind)
    writer.add_tensor(theirs, data, raw_dtype=kind)
    with torch.no_grad():
      stored = gguf.quants.dequantize(data, kind)
      parameter.copy_(torch.tensor(stored - 1 if is_norm else stored))
  writer.write_header_to_file()
  writer.write_kv_data_to_file()
  writer.write_tensors_to_file()
  writer.close()


def _outputs(model, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  ids = torch.tensor(tokens)
  with torch.no_grad():
    logits = model(input_ids=ids).logits
    greedy = model.generate(
        input_ids=ids[:, :8],
        attention_mask=torch.ones_like(ids[:, :8]),
        max_new_tokens=_NEW_TOKENS,
        min_new_tokens=_NEW_TOKENS,
        do_sample=False,
    )
  return logits[:, ::4].numpy(), greedy.numpy().astype(np.int32)


def main() -> None:
  folder = pathlib.Path(__file__).parent / 'gemma'
  shutil.rmtree(folder, ignore_errors=True)
  tokens = np.random.default_rng(0).integers(3, 320, (2, _LENGTH))
  tokens[:, 0] = 2
  model = _model()
  model.save_pretrained(folder / 'hugging_face', max_shard_size='60KB')
  golden = {'tokens': tokens.astype(np.int32)}
  golden['logits'], golden['greedy'] = _outputs(model, tokens)
  _write_gguf(folder / 'tiny.gguf', model)
  golden['gguf_logits'], golden['gguf_greedy'] = _outputs(model, tokens)
  np.savez_compressed(folder / 'golden.npz', **golden)


if __name__ == '__main__':
  main()
