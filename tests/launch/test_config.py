# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Everything that gin accepts in silence is found, with file and line."""

import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.launch.config import loading

_IMPORT = 'from __gin__ import dynamic_registration\nimport greeting_stages\n'


def test_load_without_mistakes_binds_file_over_base_and_flag_over_file(load):
  config = load("WORD = 'hi'\nTRAIN_STEPS = 4\n", 'TRAIN_STEPS=7', 'SEED=3')
  assert config.macro('WORD') == 'hi'
  assert config.macro('TRAIN_STEPS') == 7
  assert config.macro('SEED') == 3
  assert config.macro('TASK_FEATURE_LENGTHS') == {'inputs': 8}


@pytest.mark.parametrize(
    ('leaf', 'line', 'what', 'expected'),
    [
        ('\nTRIAN_STEPS = 10', 2, 'no macro TRIAN_STEPS', 'TRAIN_STEPS'),
        ('WORD = %WROD', 1, 'Nothing defines %WROD', 'WORD'),
        (
            "TRAIN_STEPS = '10'",
            1,
            "wrong type: '10'",
            'int, like its default 2',
        ),
        ('TRAIN_STEPS = True', 1, 'wrong type: True', 'int'),
        ('TRAIN_STEPS = 1e3', 1, 'wrong type: 1000.0', 'int'),
        ("SEED = 'a'", 1, "wrong type: 'a'", 'int | None'),
        ('TRAIN_STEPS = None', 1, 'wrong type: None', 'int'),
        (
            "TASK_FEATURE_LENGTHS = {'inputs': '8'}",
            1,
            'wrong type',
            '[str, int]',
        ),
        ('SEED = 1\nWORD = "a"\nSEED = 2', 3, 'second time', 'line 1'),
        ('TRAIN_STEPS = ', 1, 'not gin', 'NAME = value'),
        ('TRAIN_STEPS = (1,\n', 2, 'not gin', 'NAME = value'),
        ('f:\n  a = 1\n b = 2\n', 3, 'not gin', 'NAME = value'),
        ("SEED = 1\ninclude 'gin/models/loud.gin'", 2, 'after a', 'before'),
        ("include 'gin/models/lood.gin'", 1, 'not exist', 'models/loud.gin'),
        (
            'SEED = %WORD\nWORD = %SEED',
            2,
            'stands for itself',
            'end in a value',
        ),
    ],
)
def test_load_with_mistake_names_line_and_right_word(
    load, leaf, line, what, expected
):
  with pytest.raises(InputError) as error:
    load(leaf)
  assert what in error.value.what
  assert error.value.where.startswith(f'leaf.gin, line {line}') or (
      f'/leaf.gin, line {line}' in error.value.where
  )
  assert expected in error.value.expected


@pytest.mark.parametrize(
    ('binding', 'what', 'expected'),
    [
        ("greeting_stages.Style.mrak = '?'", 'no parameter', 'mark'),
        ("greeting_stages.Stile.mark = '?'", "no 'Stile' there", 'Style'),
        ("greeting_stage.Style.mark = '?'", 'not imported', 'greeting_stages'),
        ('greeting_stages.os.path = 1', 'no function', 'a function'),
        ('greeting_stages.Style.mark = 3', 'wrong type: 3', 'str'),
        (
            'greeting_stages.Style.widths = [1]',
            'wrong type',
            'tuple[int, ...]',
        ),
        ("loud/greeting_stages.Style.mark = '?'", "scope 'loud'", 'STYLE'),
        ('greeting_stages.write.times = @greeting_stages.copy', 'type', 'int'),
        ('STYLE = @greeting_stages.copy()', 'makes None', 'Style'),
        ('STYLE = @greeting_stages.Framed()', 'needs frame', 'bind'),
        (
            'greeting_stages.write.style = @greeting_stages.Style',
            'type',
            'Style',
        ),
    ],
)
def test_load_with_misspelt_function_names_line_and_right_word(
    load, binding, what, expected
):
  with pytest.raises(InputError) as error:
    load(_IMPORT + binding)
  assert what in error.value.what
  assert 'leaf.gin, line 3' in error.value.where
  assert expected in error.value.expected


def test_load_with_misspelt_module_names_line_and_right_word(load):
  text = 'from __gin__ import dynamic_registration\n'
  with pytest.raises(InputError, match='no module plum_jax.artifact') as error:
    load(text + 'from plum_jax import artifact')
  assert error.value.expected == 'artifacts'
  assert 'leaf.gin, line 2' in error.value.where


def test_load_with_import_error_inside_module_is_no_input_error(load, tree):
  (tree / 'broken_module.py').write_text('import not_there\n')
  text = 'from __gin__ import dynamic_registration\nimport broken_module\n'
  with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(tree)
    with pytest.raises(ModuleNotFoundError, match='not_there'):
      load(text)


def test_load_with_scope_that_is_entered_binds_in_it(load):
  config = load(
      _IMPORT
      + 'STYLE = @loud/greeting_stages.Style()\n'
      + "loud/greeting_stages.Style.mark = '?'\n"
  )
  with pytest.raises(InputError, match='lood'):
    load(
        _IMPORT
        + 'STYLE = @loud/greeting_stages.Style()\n'
        + "lood/greeting_stages.Style.mark = '?'\n"
    )
  assert config.macro('WORD') == 'hello'


def test_load_without_required_macro_says_how_to_give_it(load, tree):
  base = tree / 'gin' / 'runs' / 'greeting.gin'
  base.write_text(base.read_text().replace("'hello'", '%gin.REQUIRED'))
  with pytest.raises(InputError, match='WORD has no value') as error:
    load()
  assert '--gin.WORD=' in error.value.fix
  assert load("WORD = 'given'").macro('WORD') == 'given'


def test_load_without_required_parameter_names_it(load, tree):
  base = tree / 'gin' / 'runs' / 'greeting.gin'
  base.write_text(base.read_text().replace('  word = %WORD\n', ''))
  with pytest.raises(InputError, match='greeting_stages.write needs word'):
    load()


def test_load_with_macro_of_other_stage_leaves_it_alone(load):
  assert load('CAPITALS = True').macro('CAPITALS') is True
  with pytest.raises(InputError, match='CAPITALS is of the wrong type'):
    load('CAPITALS = 1')


def test_load_with_macro_that_only_the_leaf_uses_knows_it(load):
  config = load(_IMPORT + "MARK = '?'\ngreeting_stages.Style.mark = %MARK\n")
  assert config.macro('MARK') == '?'


def test_load_with_two_defaults_of_a_macro_refuses_both(load, tree):
  with (tree / 'gin' / 'runs' / 'copy.gin').open('a') as file:
    file.write("WORD = 'other'\n")
  with pytest.raises(InputError, match='WORD has two defaults') as error:
    load()
  assert 'copy.gin, line' in error.value.where
  assert 'greeting.gin, line' in error.value.where


def test_load_with_file_included_twice_refuses(load):
  with pytest.raises(InputError, match='a second time'):
    load("include 'gin/runs/defaults.gin'")


def test_load_with_three_includes_below_one_another_refuses(load, tree):
  models = tree / 'gin' / 'models'
  (models / 'a.gin').write_text("include 'gin/models/b.gin'")
  (models / 'b.gin').write_text("include 'gin/models/loud.gin'")
  load("include 'gin/models/b.gin'")
  with pytest.raises(InputError, match='too deep') as error:
    load("include 'gin/models/a.gin'")
  assert 'b.gin, line 1' in error.value.where


def test_load_with_unknown_stage_names_base_file(tree):
  arguments = loading.Arguments(search_paths=[str(tree)])
  with pytest.raises(InputError, match='gin/runs/greting.gin is not there'):
    loading.read('greting', arguments)


@pytest.mark.parametrize(
    ('flag', 'what'),
    [
        ('TRAIN_STEPS=ten', 'not a gin binding'),
        ("TRAIN_STEPS='10'", "wrong type: '10'"),
        ('TRIAN_STEPS=10', 'no macro TRIAN_STEPS'),
        ('TRAIN_STEPS=', 'not a gin binding'),
        ("WORD='a", 'not a gin binding'),
        ('WORD=10', 'wrong type: 10'),
        ('WORD=%WROD', 'Nothing defines %WROD'),
        ('SEED=abc', "wrong type: 'abc'"),
        ('SEED=1\nWORD = "x"', 'not a gin binding'),
        ('write.tims=2', "no parameter 'tims'"),
        ('write.times="2"', "wrong type: '2'"),
        ('write.style=@Stile()', 'No gin file names a function Stile'),
    ],
)
def test_load_with_mistake_in_flag_names_the_flag(load, flag, what):
  with pytest.raises(InputError) as error:
    load('', flag)
  assert what in error.value.what
  assert error.value.where.startswith(f'command line, --gin.{flag}')


def test_load_with_unquoted_text_in_flag_takes_it_as_text(load):
  assert load('', 'RUN_DIR=/tmp/run-1').macro('RUN_DIR') == '/tmp/run-1'
  assert load('', "WORD='a b'").macro('WORD') == 'a b'


def test_check_flags_with_function_of_another_stage_accepts(load, tree):
  arguments = loading.Arguments(
      bindings=['copy.capitals=True'], search_paths=[str(tree)]
  )
  copy = loading.load('copy', 'greeting_stages.copy', arguments)
  loading.check_flags(arguments, [load('', 'copy.capitals=True'), copy])
  with pytest.raises(InputError, match='No gin file names a function coppy'):
    loading.check_flags(
        loading.Arguments(bindings=['coppy.capitals=True']), [copy]
    )


def test_activate_binds_parameters_files_and_flags_in_order(load):
  import greeting_stages

  calls = []
  original = greeting_stages.write.__code__

  def record(run_dir, word, times, style, lengths, rate=0.5, seed=None):
    import greeting_stages as module

    module.calls.append((word, times, style, lengths, rate, seed))

  greeting_stages.calls = calls
  greeting_stages.write.__code__ = record.__code__
  try:
    config = load(
        "include 'gin/models/loud.gin'\nTRAIN_STEPS = 3\n",
        'write.rate=2',
        'Style.widths=(4, %TRAIN_STEPS)',
    )
    config.activate()()
  finally:
    greeting_stages.write.__code__ = original
  style = greeting_stages.Style(mark='!!', widths=(4, 3))
  assert calls == [('hello', 3, style, {'inputs': 8}, 2, None)]


def test_load_knows_macros_of_catalogs_that_it_does_not_use(load, tree):
  (tree / 'gin' / 'catalogs').mkdir()
  catalog = tree / 'gin' / 'catalogs' / 'shop.gin'
  catalog.write_text("WORD = 'shop'\nSHOP_SIZE = 3\n")
  config = load('SHOP_SIZE = 4\n', 'SHOP_SIZE=5')
  assert config.macro('WORD') == 'hello'
  with pytest.raises(InputError, match='SHOP_SIZE is of the wrong type'):
    load("SHOP_SIZE = 'a'")
  with pytest.raises(InputError, match='no macro SHOP_SIZ:'):
    load('SHOP_SIZ = 4')
  arguments = loading.Arguments(['gin/catalogs/shop.gin'], [], [str(tree)])
  shop = loading.load('greeting', 'greeting_stages.write', arguments)
  assert shop.macro('WORD') == 'shop'
