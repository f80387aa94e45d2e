"""The running sandbox and the browser, for the tests of this folder."""

from sandbox_running import browser, sandbox

__all__ = ["browser", "sandbox"]
