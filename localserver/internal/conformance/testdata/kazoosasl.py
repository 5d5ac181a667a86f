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


def report_failed_authentication():
    """Makes start() say that the authentication failed, which it does by itself only if it looks at the connection
    before that has been closed for it; otherwise, it says that it timed out."""
    from kazoo.client import KazooClient
    from kazoo.handlers.threading import KazooTimeoutError
    from kazoo.exceptions import AuthFailedError
    from kazoo.protocol.states import KeeperState
    start, callback = KazooClient.start, KazooClient._session_callback

    def note(self, state):
        self.refused = getattr(self, "refused", False) or state == KeeperState.AUTH_FAILED
        return callback(self, state)

    def start_or_say(self, *args, **kwargs):
        try:
            return start(self, *args, **kwargs)
        except KazooTimeoutError:
            if getattr(self, "refused", False):
                raise AuthFailedError() from None
            raise

    KazooClient.start, KazooClient._session_callback = start_or_say, note


logging.basicConfig(level=logging.ERROR)
report_failed_authentication()
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
