# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes gemma_published.json: `transformers` on the published Gemma 3 270M.

In an environment of its own, Python 3.11, with the file that
`plum_jax.pretrained.published.resolve('gemma-3-270m')` brings:

    pip install torch==2.13.0 transformers==5.23.0 gguf==0.19.0 accelerate
    python make_gemma_published.py gemma-3-270m-q4_k_m.gguf

`transformers` reads the GGUF file by itself: tokens, quantized weights and all.
"""

import json
import pathlib
import random
import sys

import torch
import transformers

_TEXT = (
    'Bread is one of the oldest foods that people make. Flour, water and salt '
    'are mixed into a dough, which is left to rise in a warm place before it '
    'is baked in a hot oven. Yeast, a tiny fungus, eats the sugar in the '
    'flour and gives off carbon dioxide, and the bubbles of gas make the '
    'dough light. In many countries bread is eaten with every meal, and '
    'bakers get up long before dawn so that it is still warm when the first '
    'customers come in.'
)
_PROMPTS = (
    'The capital of France is',
    'Once upon a time, there was a little girl who lived in a',
    'The movie "Alien" is about',
)
_TOKENIZED = (
    'two  spaces\n\n\tand a tab 🤖',
    '“quotes”, naïve café, 日本語, 12345',
    '<table><tr>  \r\n',
    ' a space before',
)
_NEW_TOKENS = 20


def main(path: pathlib.Path) -> None:
  torch.set_num_threads(1)
  source = {
      'pretrained_model_name_or_path': path.parent,
      'gguf_file': path.name,
  }
  tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
  model = transformers.AutoModelForCausalLM.from_pretrained(
      **source, dtype=torch.float32
  ).eval()

  def ids_of(text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False).input_ids

  words = _TEXT.split()
  random.Random(0).shuffle(words)
  texts = []
  for text in (_TEXT, ' '.join(words)):
    ids = torch.tensor([[tokenizer.bos_token_id, *ids_of(text)]])
    with torch.no_grad():
      log_probs = torch.log_softmax(model(input_ids=ids).logits[0], -1)
    targets = ids[0, 1:]
    chosen = log_probs[torch.arange(len(targets)), targets]
    texts.append(
        {
            'text': text,
            'ids': targets.tolist(),
            'log_probs': [round(x, 6) for x in chosen.tolist()],
        }
    )
    print('perplexity', float(torch.exp(-chosen.mean())))
  completions = []
  for prompt in _PROMPTS:
    ids = torch.tensor([[tokenizer.bos_token_id, *ids_of(prompt)]])
    made = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=_NEW_TOKENS,
        do_sample=False,
    )[0, ids.shape[1] :]
    completions.append({'prompt': prompt, 'ids': made.tolist()})
    print(prompt, '→', tokenizer.decode(made))
  golden = {
      'texts': texts,
      'completions': completions,
      'tokenized': [{'text': t, 'ids': ids_of(t)} for t in _TOKENIZED],
  }
  file = pathlib.Path(__file__).parent / 'gemma_published.json'
  file.write_text(json.dumps(golden, ensure_ascii=False) + '\n', 'utf-8')


if __name__ == '__main__':
  main(pathlib.Path(sys.argv[1]))
