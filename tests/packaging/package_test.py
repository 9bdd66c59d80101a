"""The Debian package: cpack makes it, lintian has nothing to say, and it holds what it should, for the right owners."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["WEIR_TEST_SOURCE"])
BUILD = pathlib.Path(os.environ["WEIR_TEST_BUILD"])
VERSION = os.environ["WEIR_TEST_VERSION"]
TOOLS = ("cpack", "dpkg-shlibdeps", "dpkg-deb", "strip")

FILES = {
    "/usr/bin/weir": "-rwxr-xr-x",
    "/usr/share/man/man1/weir.1.gz": "-rw-r--r--",
    "/usr/share/bash-completion/completions/weir": "-rw-r--r--",
    "/usr/share/zsh/vendor-completions/_weir": "-rw-r--r--",
    "/usr/share/fish/vendor_completions.d/weir.fish": "-rw-r--r--",
    "/usr/share/doc/weir/copyright": "-rw-r--r--",
    "/usr/share/doc/weir/changelog.gz": "-rw-r--r--",
    "/usr/share/doc/weir/changelog.Debian.gz": "-rw-r--r--",
    "/lib/systemd/system/weir.service": "-rw-r--r--",
    "/etc/weir/config.toml": "-rw-r--r--",
}


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


class PackageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        missing = [tool for tool in TOOLS if shutil.which(tool) is None]
        if missing or os.environ.get("WEIR_TEST_SANITIZE"):
            reason = f"not here: {', '.join(missing)}" if missing else "a sanitized build is not packaged"
            print(f"SKIPPED: {reason}", flush=True)
            raise unittest.SkipTest(reason)
        cls.guard = tempfile.TemporaryDirectory(prefix="weir-package-")
        made = run("cpack", "-G", "DEB", "-B", cls.guard.name, cwd=BUILD, umask=0o022)
        if made.returncode != 0:
            raise AssertionError(f"cpack failed:\n{made.stdout}{made.stderr}")
        packages = sorted(pathlib.Path(cls.guard.name).glob("*.deb"))
        assert len(packages) == 1, packages
        cls.package = packages[0]

    @classmethod
    def tearDownClass(cls):
        cls.guard.cleanup()

    def test_lintian_is_silent(self):
        if shutil.which("lintian") is None:
            print("SKIPPED: lintian is not here", flush=True)
            self.skipTest("lintian is not here")
        as_is = ["--allow-root"] if os.geteuid() == 0 else []
        said = run("lintian", *as_is, "--fail-on", "error,warning", "--info", str(self.package))
        self.assertEqual((said.returncode, said.stdout), (0, ""), said.stdout + said.stderr)

    def test_files_and_their_owners(self):
        listed = {}
        for line in run("dpkg-deb", "--contents", str(self.package)).stdout.splitlines():
            mode, owner, _, _, _, path = line.split(maxsplit=5)
            self.assertEqual(owner, "root/root", line)
            if not mode.startswith("d"):
                listed[path.removeprefix(".")] = mode
            else:
                self.assertEqual(mode, "drwxr-xr-x", line)
        listed.pop("/usr/share/lintian/overrides/weir", None)
        self.assertEqual(listed, FILES)

    def test_dependencies_are_those_of_the_program(self):
        depends = run("dpkg-deb", "--field", str(self.package), "Depends").stdout
        for name in ("libc6", "libstdc++6", "librocksdb", "libssl3", "libpcre2-8-0", "adduser"):
            self.assertIn(name, depends)

    def test_version_is_the_same_everywhere(self):
        self.assertEqual(run("dpkg-deb", "--field", str(self.package), "Version").stdout.strip(), f"{VERSION}-1")
        first = (SOURCE / "packaging/debian/changelog").read_text().splitlines()[0]
        self.assertTrue(first.startswith(f"weir ({VERSION}-1) "), first)

    def test_what_is_installed_works_where_it_lies(self):
        root = pathlib.Path(self.guard.name) / "root"
        self.assertEqual(run("dpkg-deb", "--extract", str(self.package), str(root)).returncode, 0)
        environment = {"HOME": "/nonexistent", "WEIR_CONFIG": str(root / "etc/weir/config.toml")}
        shown = run(str(root / "usr/bin/weir"), "config", "show", env=environment)
        usual = run(str(root / "usr/bin/weir"), "config", "show", env={"HOME": "/nonexistent"})
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertEqual(shown.stdout, usual.stdout, "the example changes no default")

    def test_maintainer_scripts_are_portable(self):
        for name in ("postinst", "prerm", "postrm"):
            checked = run("sh", "-n", str(SOURCE / "packaging/debian" / name))
            self.assertEqual(checked.returncode, 0, checked.stderr)


if __name__ == "__main__":
    unittest.main()
