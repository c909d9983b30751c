"""Each rule of this folder catches what it is for: a test that cannot fail is no test."""

import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import banned
import cpp_text
import layers
import static_test
import symbols

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Tree(unittest.TestCase):
    """A source tree of the test's own."""

    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        (self.root / "src").mkdir()

    def write(self, name, text):
        path = self.root / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


class Layers(Tree):
    def test_include_downward_is_fine(self):
        self.write("base/money.h", "#include <string>\n")
        self.write("core/a.h", '#include "base/money.h"\n')
        self.assertEqual(layers.check(self.root), [])

    def test_include_upward_is_named_with_file_and_line(self):
        self.write("engine/ports.h", "")
        self.write("core/a.cc", '\n#include "engine/ports.h"\n')
        errors = layers.check(self.root)
        self.assertEqual(len(errors), 1)
        self.assertTrue(errors[0].startswith("src/core/a.cc:2: core may not include"), errors)

    def test_include_sideways_is_refused(self):
        self.write("adapters/mock.h", "")
        self.write("http/a.h", '#include "adapters/mock.h"\n')
        self.assertRegex(layers.check(self.root)[0], "http may not include")

    def test_include_relative_to_the_file_is_refused(self):
        self.write("core/b.h", "")
        self.write("core/a.h", '#include "b.h"\n')
        self.assertRegex(layers.check(self.root)[0], "not a file below src")

    def test_unknown_room_is_refused(self):
        self.write("misc/a.h", "")
        self.assertRegex(layers.check(self.root)[0], "src/misc:1: this room is not in the")

    def test_file_outside_a_room_is_refused(self):
        self.write("a.cc", "")
        self.assertRegex(layers.check(self.root)[0], "src/a.cc:1: a source file has to be")

    def test_third_party_header_in_another_room_is_refused(self):
        self.write("engine/a.h", "#include <lmdb.h>\n")
        self.write("http/a.h", "#include <spdlog/spdlog.h>\n")
        errors = layers.check(self.root)
        self.assertRegex(errors[0], "<lmdb.h> belongs to")
        self.assertRegex(errors[1], "<spdlog/spdlog.h> belongs to")

    def test_system_header_in_core_is_refused(self):
        self.write("core/a.h", "#include <unistd.h>\n#include <sys/stat.h>\n")
        self.assertEqual(len(layers.check(self.root)), 2)

    def test_the_build_has_the_same_table(self):
        text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
        rooms = re.findall(r"payonce_room\((\w+)(?:\s+DEPS\s+([\w\s]*?))?(?:\s+LIBS[^)]*)?\)", text)
        self.assertEqual({name: set(deps.split()) for name, deps in rooms}, layers.ROOMS)


class Banned(unittest.TestCase):
    def assert_complains(self, name, text, pattern):
        errors = banned.check_text(name, text)
        self.assertEqual(len(errors), 1, f"{text!r}: {errors}")
        self.assertRegex(errors[0], pattern)

    def assert_fine(self, name, text):
        self.assertEqual(banned.check_text(name, text), [])

    def test_core_words(self):
        for code in (
            "auto t = std::chrono::steady_clock::now();",
            "auto t = std::chrono::system_clock::now();",
            "auto s = __rdtsc();",
            "std::random_device device;",
            "std::mt19937_64 engine(seed);",
            "int r = random();",
            "std::thread worker;",
            "std::mutex mutex_of_mine;",
            "std::atomic<int> count;",
            'const char* p = std::getenv("HOME");',
            "#include <iostream>",
            "std::ofstream out;",
            "double amount = 0;",
            "float rate;",
            'std::printf("x");',
            "spdlog::info(x);",
            "std::set<const Account*> accounts;",
            "std::map<Account*, int> balances;",
        ):
            with self.subTest(code=code):
                self.assert_complains("core/a.cc", code + "\n", "banned in src/core")

    def test_words_in_comments_and_literals_do_not_count(self):
        self.assert_fine("core/a.cc", "// No double, no thread.\nauto s = \"float\";\n")
        self.assert_fine("core/a.cc", "/* rand()\n std::mutex */ auto s = R\"(getenv \"(x)\" )\";\n")
        self.assert_fine("core/a.cc", "int x = 1'000; int y = 2'000;\n")

    def test_words_within_other_words_do_not_count(self):
        self.assert_fine("core/a.cc", "int thread_count_max = double_entry + time_us;\n")

    def test_line_number_survives_long_comments(self):
        errors = banned.check_text("core/a.cc", "/* one\ntwo\nthree */\nfloat x;\n")
        self.assertRegex(errors[0], "^src/core/a.cc:4: ")

    def test_walk_through_an_unordered_container(self):
        head = "std::unordered_map<int, int> rows_;\n"
        self.assert_fine("core/a.h", head + "auto it = rows_.find(3);\n")
        self.assert_complains("core/a.h", head + "for (auto& row : rows_) use(row);\n", "rows_")
        self.assert_complains("core/a.h", head + "auto it = rows_.begin();\n", "rows_")

    def test_clock_is_fine_above_the_core(self):
        self.assert_fine("engine/a.cc", "auto t = std::chrono::steady_clock::now();\n")

    def test_words_for_every_room(self):
        self.assert_complains("http/a.cc", "assert(x);\n", "PAYONCE_ASSERT")
        self.assert_fine("http/a.cc", "static_assert(x); PAYONCE_ASSERT(x);\n")
        self.assert_complains("log/a.cc", "auto flags = MDB_NOSYNC;\n", "on the disk")
        self.assert_complains("app/a.cc", "open(dir, Sync::kNever);\n", "on the disk")
        self.assert_fine("sim/a.cc", "open(dir, log::Sync::kNever);\n")

    def test_leftover_marks(self):
        for mark in ("FIXME", "TODO(me)", "XXX:"):
            self.assert_complains("http/a.cc", f"// {mark} later\n", "leftover")
        self.assert_fine("base/money.h", "// The code XXX is no currency.\n")

    def test_columns(self):
        self.assert_fine("http/a.cc", "/" * 100 + "\n")
        self.assert_complains("http/a.cc", "/" * 101 + "\n", "101 columns")
        self.assert_fine("http/a.cc", "// " + "é" * 97 + "\n")

    def test_file_length(self):
        self.assert_fine("http/a.cc", "int x;\n" * 800)
        self.assert_complains("http/a.cc", "int x;\n" * 801, "801 lines")

    def test_function_length(self):
        def function(lines, head="int f(int a) {"):
            return head + "\n" + "  a += 1;\n" * (lines - 2) + "}\n"

        self.assert_fine("http/a.cc", "namespace payonce {\n" * 1 + function(70) * 3 + "}\n")
        self.assert_complains("http/a.cc", function(71), "http/a.cc:1: f has 71 lines")
        for head in (
            "namespace a::b {\nclass X {\n public:\n  void f() {",
            "template <class T, class U = std::vector<T>>\nauto f(T t) -> int {",
            "X::X(int a) : a_(a), b_{a} {",
            "const auto f = [](int a) {",
            "void X::operator()(int a) const noexcept {",
        ):
            with self.subTest(head=head):
                self.assert_complains("http/a.cc", function(75, head), "lines, at most 70")

    def test_tables_and_types_are_no_functions(self):
        table = "constexpr Key kKeys[] = {\n" + "    {1, 2},\n" * 90 + "};\n"
        self.assertEqual(cpp_text.functions(table), [])
        struct = "struct [[nodiscard]] X final : Y {\n" + "  int a;\n" * 90 + "};\n"
        self.assertEqual(cpp_text.functions(struct), [])


class Symbols(unittest.TestCase):
    def library(self, code):
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        (folder / "a.cc").write_text(code, encoding="utf-8")
        subprocess.run(["c++", "-std=c++20", "-O2", "-c", "a.cc"], cwd=folder, check=True)
        subprocess.run(["ar", "rcs", "a.a", "a.o"], cwd=folder, check=True)
        return str(folder / "a.a")

    def test_impure_code_is_caught(self):
        code = """
            #include <chrono>
            #include <cstdio>
            #include <cstdlib>
            #include <fstream>
            #include <mutex>
            #include <random>
            #include <thread>
            #include <unistd.h>
            std::mutex m;
            long impure(const char* path, char* buffer) {
              std::lock_guard lock(m);
              std::ofstream(path) << 1;
              std::random_device device;
              std::thread([] {}).join();
              usleep(1);
              if (read(0, buffer, 1) < 0) std::puts(std::getenv("HOME"));
              return std::chrono::steady_clock::now().time_since_epoch().count() + device();
            }
        """
        errors, _ = symbols.check(self.library(code))
        kinds = {re.search(r"\((\w+)\)$", error)[1] for error in errors}
        wanted = {"clock", "random", "thread", "stream", "environment", "sleep", "file", "output"}
        self.assertLessEqual(wanted, kinds, errors)

    def test_pure_code_is_fine(self):
        code = """
            #include <map>
            #include <string>
            #include <variant>
            #include <vector>
            std::string pure(const std::map<std::string, long>& rows) {
              std::vector<std::string> out;
              for (const auto& [name, amount] : rows) out.push_back(name + std::to_string(amount));
              return out.at(0);
            }
        """
        errors, objects = symbols.check(self.library(code))
        self.assertEqual(errors, [])
        self.assertEqual(objects, 1)

    def test_fortified_and_versioned_names(self):
        self.assertEqual(symbols.kind_of("__fprintf_chk"), "output")
        self.assertEqual(symbols.kind_of("getenv@GLIBC_2.2.5"), "environment")
        self.assertIsNone(symbols.kind_of("payonce::core::read(int)"))

    def test_code_that_needs_nothing_is_fine(self):
        errors, objects = symbols.check(self.library("long sum(long a, long b) { return a + b; }"))
        self.assertEqual((errors, objects), ([], 1))

    def test_library_without_symbols_is_refused(self):
        errors, _ = symbols.check(self.library(""))
        self.assertRegex(errors[0], "no symbols at all")


class Static(unittest.TestCase):
    def build(self, *flags):
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        (folder / "a.cc").write_text("int main() {}\n", encoding="utf-8")
        subprocess.run(["c++", *flags, "a.cc", "-o", "a"], cwd=folder, check=True)
        return str(folder / "a")

    def test_dynamic_binary_is_caught(self):
        self.assertRegex(static_test.check(self.build())[0], "ldd says")

    def test_static_binary_is_fine_unless_it_is_too_big(self):
        binary = self.build("-static")
        self.assertEqual(static_test.check(binary), [])
        self.assertRegex(static_test.check(binary, size_max=1000)[0], "has to be under 1000")


if __name__ == "__main__":
    unittest.main()
