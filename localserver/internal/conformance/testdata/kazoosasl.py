"""Runs kazoo's own tests of SASL. kazoo starts the servers itself, with the program java that is first in PATH.

argv[1] is the realm to use in place of the one in kazoo's tests. Prints "ran N" at the end."""

import contextlib
import importlib.util
import logging
import sys
import types
import unittest

try:
    import pytest
except ImportError:  # the tests use only these of it
    pytest = types.ModuleType("pytest")

    @contextlib.contextmanager
    def raises(error):
        try:
            yield
        except error:
            return
        raise AssertionError("%s was not raised" % error.__name__)

    def skip(why):
        raise unittest.SkipTest(why)

    pytest.raises, pytest.skip = raises, skip
    sys.modules["pytest"] = pytest


def adapted(name):
    """Imports a module with another realm in its text."""
    spec = importlib.util.find_spec(name)
    with open(spec.origin) as file:
        text = file.read().replace("KAZOOTEST.ORG", sys.argv[1])
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    exec(compile(text, spec.origin, "exec"), module.__dict__)
    return module


logging.basicConfig(level=logging.ERROR)
harness = adapted("kazoo.testing.harness")
import kazoo.testing
kazoo.testing.KazooTestHarness = harness.KazooTestHarness
tests = adapted("kazoo.tests.test_sasl")
result = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromModule(tests))
for test, why in result.skipped:
    print("skipped", test, why)
if not result.wasSuccessful():
    sys.exit(1)
print("ran", result.testsRun - len(result.skipped))
