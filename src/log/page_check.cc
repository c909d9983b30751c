#include "log/page_check.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "log/mapped_file.h"
#include "log/page_format.h"

namespace payonce::log {
namespace {

using lmdb_page::Database;
using lmdb_page::kHeader;
using lmdb_page::kMetas;
using lmdb_page::kMetaSize;
using lmdb_page::kNoPage;
using lmdb_page::load;
using lmdb_page::Meta;
using lmdb_page::Page;

constexpr std::size_t kPageMin = 512;
constexpr std::size_t kPageMax = 65'536;

// One look at a file. The first thing that is wrong ends it; checks return false from then on.
class Checker {
 public:
  Checker(std::string_view bytes, std::uint64_t pages_max) : bytes_(bytes), left_(pages_max) {}

  bool run() {
    if (!read_metas()) {
      return false;
    }
    seen_.resize(std::min(bytes_.size() / page_size_, meta_.last_page + 1), false);
    return check_free_list() && check_main() && check_end();
  }
  [[nodiscard]] const Error& error() const { return error_; }
  [[nodiscard]] PageCheck result() const { return {.whole = whole_, .pages = looked_}; }

 private:
  enum class Kind : std::uint8_t { kFreeList, kMain, kNamed };

  struct Tree {
    Database said;
    Kind kind = Kind::kMain;
    Database found;                   // counted on the way
    std::vector<Database> databases;  // that stand in it
  };

  // Keys of a subtree: from `low` on, below `high`.
  struct Bounds {
    std::optional<std::string_view> low;
    std::optional<std::string_view> high;
  };

  bool bad(std::string what, Errc code = Errc::kCorrupt) {
    error_ = {code, std::move(what)};
    return false;
  }
  bool bad(std::uint64_t page, const std::string& what) {
    return bad("page " + std::to_string(page) + " is damaged: " + what);
  }

  // ---- Meta pages

  static bool is_meta(const Meta& meta) {
    return meta.magic == lmdb_page::kMagic && (meta.flags & lmdb_page::kMeta) != 0;
  }

  // The head of the newest commit, once both heads make sense.
  bool read_metas() {
    if (bytes_.size() < kMetaSize) {
      return bad("it is too short to be an LMDB file", Errc::kForeign);
    }
    const Meta first = Meta::read(bytes_.data());
    page_size_ = first.free_list.pad;
    const bool sized =
        page_size_ >= kPageMin && page_size_ <= kPageMax && (page_size_ & (page_size_ - 1)) == 0;
    const bool second_there = sized && bytes_.size() >= page_size_ + kMetaSize;
    const Meta second = second_there ? Meta::read(bytes_.data() + page_size_) : Meta{};
    if (!is_meta(first) && !is_meta(second)) {
      return bad("it is not an LMDB file", Errc::kForeign);
    }
    if (sized && !second_there) {
      return cut_short(kMetas * page_size_);
    }
    if (!sized || !check_meta(first, 0) || !check_meta(second, 1)) {
      return error_.message.empty() ? bad(0, "no size of pages") : false;
    }
    // Commits take turns, so that each overwrites the one before the last.
    const bool fresh = first.commit == 0 && second.commit == 0;
    const std::uint64_t apart =
        std::max(first.commit, second.commit) - std::min(first.commit, second.commit);
    if (!fresh && (apart != 1 || first.commit % 2 != 0)) {
      return bad("the numbers of its commits do not fit: " + std::to_string(first.commit) +
                 " and " + std::to_string(second.commit));
    }
    const bool second_newer = second.commit > first.commit;
    meta_ = second_newer ? second : first;
    older_ = second_newer ? first : second;
    return true;
  }

  bool check_meta(const Meta& meta, std::uint64_t page) {
    if (!is_meta(meta) || meta.flags != lmdb_page::kMeta || meta.page != page) {
      return bad(page, "not a head of the file");
    }
    if (meta.version != lmdb_page::kVersion) {
      return bad("it has LMDB's data version " + std::to_string(meta.version), Errc::kForeign);
    }
    if (meta.free_list.pad != page_size_ || meta.free_list.flags != lmdb_page::kIntegerKey ||
        meta.last_page < kMetas - 1 || meta.last_page > lmdb_page::kPagesMax) {
      return bad(page, "a head that makes no sense");
    }
    return true;
  }

  bool cut_short(std::uint64_t wanted) {
    return bad("it is cut short: it has " + std::to_string(bytes_.size()) +
               " bytes and should have " + std::to_string(wanted));
  }

  // ---- Trees

  // As a whole, whatever else may be looked at: it says which pages may be absent.
  bool check_free_list() {
    const std::uint64_t left = std::exchange(left_, kAllPages);
    const bool sound = check_tree(meta_.free_list, Kind::kFreeList);
    left_ = left;
    return sound && check_number(meta_) && check_number(older_);
  }

  // Every commit that changes a page frees the old one, and puts it under its number into the free
  // list. So the newest number there is the commit's own: a head with another one is not what was
  // written. What is not a list at all says nothing here.
  bool check_number(const Meta& meta) {
    const auto newest = newest_free(meta.free_list);
    return !newest || *newest == meta.commit ||
           bad("a head says that it is of commit " + std::to_string(meta.commit) +
               ", but its pages are of " + std::to_string(*newest));
  }

  [[nodiscard]] std::optional<std::uint64_t> newest_free(const Database& list) const {
    std::uint64_t number = list.root;
    for (std::size_t level = 1; level <= lmdb_page::kLevelsMax; ++level) {
      if (number < kMetas || number >= bytes_.size() / page_size_) {
        return std::nullopt;
      }
      const Page page(bytes_.data() + number * page_size_, page_size_);
      const bool leaf = page.flags() == lmdb_page::kLeaf;
      if (page.number() != number || page.lower() < kHeader + 2 || page.lower() > page.upper() ||
          page.upper() > page_size_ || (!leaf && page.flags() != lmdb_page::kBranch)) {
        return std::nullopt;
      }
      const auto last = page.node(page.count() - 1, leaf);
      if (!last || (leaf && last->key.size() != sizeof(std::uint64_t))) {
        return std::nullopt;
      }
      if (leaf) {
        return load<std::uint64_t>(last->key.data());
      }
      number = last->child;
    }
    return std::nullopt;
  }

  bool check_main() {
    Tree main{.said = meta_.main, .kind = Kind::kMain, .found = {}, .databases = {}};
    if (!walk(main)) {
      return false;
    }
    return std::ranges::all_of(main.databases,
                               [&](const Database& one) { return check_tree(one, Kind::kNamed); });
  }

  bool check_tree(const Database& said, Kind kind) {
    Tree tree{.said = said, .kind = kind, .found = {}, .databases = {}};
    return walk(tree);
  }

  bool walk(Tree& tree) {
    const Database& said = tree.said;
    if ((said.flags & ~lmdb_page::kIntegerKey) != 0) {
      return bad("a database has options that payonce never uses");
    }
    if (said.root == kNoPage) {
      return (said.entries == 0 && said.depth == 0) || bad("a database has no root but entries");
    }
    if (said.depth == 0 || said.depth > lmdb_page::kLevelsMax) {
      return bad("a database has no sensible depth");
    }
    if (!check_page(tree, said.root, 1, {})) {
      return false;
    }
    const Database& found = tree.found;
    const bool agree = found.branches == said.branches && found.leaves == said.leaves &&
                       found.overflows == said.overflows && found.entries == said.entries;
    return agree || !whole_ || bad("a database counts other pages or entries than it has");
  }

  // Marks pages as used, and says whether they are where pages can be and were not used before.
  bool take(std::uint64_t first, std::uint64_t count, std::uint64_t from) {
    if (first < kMetas || count == 0 || first > meta_.last_page ||
        count > meta_.last_page - first + 1) {
      return bad(from, "it names page " + std::to_string(first) + ", which there cannot be");
    }
    if (first + count > seen_.size()) {
      return cut_short((meta_.last_page + 1) * page_size_);
    }
    for (std::uint64_t page = first; page < first + count; ++page) {
      if (seen_[page]) {
        return bad(page, "it is used twice, or free as well");
      }
      seen_[page] = true;
    }
    return true;
  }

  bool check_page(Tree& tree, std::uint64_t number, std::size_t level, const Bounds& bounds) {
    if (left_ == 0) {
      whole_ = false;
      return true;
    }
    --left_;
    ++looked_;
    if (!take(number, 1, number)) {
      return false;
    }
    const bool leaf = level == tree.said.depth;
    const Page page(bytes_.data() + number * page_size_, page_size_);
    if (page.number() != number || page.flags() != (leaf ? lmdb_page::kLeaf : lmdb_page::kBranch)) {
      return bad(number, "it is another page than it should be");
    }
    if (page.lower() <= kHeader || page.lower() % 2 != 0 || page.lower() > page.upper() ||
        page.upper() > page_size_) {
      return bad(number, "its bounds make no sense");
    }
    return leaf ? check_leaf(tree, page, bounds) : check_branch(tree, page, level, bounds);
  }

  bool check_leaf(Tree& tree, const Page& page, const Bounds& bounds) {
    ++tree.found.leaves;
    tree.found.entries += page.count();
    std::optional<std::string_view> before = bounds.low;
    std::size_t used = 0;
    for (std::size_t i = 0; i < page.count(); ++i) {
      const auto node = page.node(i, /*leaf=*/true);
      if (!node || !fits(tree, node->key)) {
        return bad(page.number(), "an entry that makes no sense");
      }
      // The first key may be the one that the page above names.
      if (before && !(i == 0 ? !less(tree, node->key, *before) : less(tree, *before, node->key))) {
        return bad(page.number(), "its keys are out of order");
      }
      before = node->key;
      used += node->bytes;
      if (!check_value(tree, page, *node)) {
        return false;
      }
    }
    if (bounds.high && !less(tree, *before, *bounds.high)) {
      return bad(page.number(), "its keys are out of order");
    }
    return used == page_size_ - page.upper() || bad(page.number(), "its entries overlap");
  }

  bool check_branch(Tree& tree, const Page& page, std::size_t level, const Bounds& bounds) {
    ++tree.found.branches;
    std::vector<Page::Node> nodes;
    std::size_t used = 0;
    for (std::size_t i = 0; i < page.count(); ++i) {
      const auto node = page.node(i, /*leaf=*/false);
      // The first key stands for all that are smaller, and may be left out.
      if (!node || (i > 0 && !fits(tree, node->key))) {
        return bad(page.number(), "an entry that makes no sense");
      }
      const auto before = i > 1 ? std::optional(nodes.back().key) : bounds.low;
      if (i > 0 && ((before && !less(tree, *before, node->key)) ||
                    (bounds.high && !less(tree, node->key, *bounds.high)))) {
        return bad(page.number(), "its keys are out of order");
      }
      used += node->bytes;
      nodes.push_back(*node);
    }
    if (used != page_size_ - page.upper()) {
      return bad(page.number(), "its entries overlap");
    }
    for (std::size_t i = nodes.size(); i-- > 0;) {
      const Bounds inner{.low = i == 0 ? bounds.low : nodes[i].key,
                         .high = i + 1 == nodes.size() ? bounds.high : nodes[i + 1].key};
      if (!check_page(tree, nodes[i].child, level + 1, inner)) {
        return false;
      }
    }
    return true;
  }

  static bool integer_keys(const Tree& tree) {
    return (tree.said.flags & lmdb_page::kIntegerKey) != 0;
  }
  static bool fits(const Tree& tree, std::string_view key) {
    return integer_keys(tree) ? key.size() == sizeof(std::uint64_t)
                              : !key.empty() && key.size() <= lmdb_page::kKeyMax;
  }
  static bool less(const Tree& tree, std::string_view a, std::string_view b) {
    return integer_keys(tree) ? load<std::uint64_t>(a.data()) < load<std::uint64_t>(b.data())
                              : a < b;
  }

  // ---- Values

  bool check_value(Tree& tree, const Page& page, const Page::Node& node) {
    std::string_view value = node.value;
    if (node.flags == lmdb_page::kSubData) {
      if (tree.kind != Kind::kMain || integer_keys(tree) || value.size() != Database::kSize) {
        return bad(page.number(), "a database where there is none");
      }
      tree.databases.push_back(Database::read(value.data()));
      return true;
    }
    if (node.flags == lmdb_page::kBigData) {
      if (!check_overflow(tree, page, node)) {
        return false;
      }
      const auto first = load<std::uint64_t>(value.data());
      value = {bytes_.data() + first * page_size_ + kHeader, node.value_size};
    } else if (node.flags != 0) {
      return bad(page.number(), "an entry of an unknown kind");
    }
    return tree.kind != Kind::kFreeList || check_free(page, node.key, value);
  }

  bool check_overflow(Tree& tree, const Page& page, const Page::Node& node) {
    const auto first = load<std::uint64_t>(node.value.data());
    if (first < kMetas || first >= seen_.size()) {
      return take(first, 1, page.number());
    }
    const Page head(bytes_.data() + first * page_size_, page_size_);
    if (head.number() != first || head.flags() != lmdb_page::kOverflow ||
        head.run() * page_size_ < kHeader + node.value_size) {
      return bad(first, "it is no large value");
    }
    tree.found.overflows += head.run();
    return take(first, head.run(), page.number());
  }

  // A list of free pages: how many, and their numbers.
  bool check_free(const Page& page, std::string_view key, std::string_view list) {
    constexpr std::size_t kNumber = sizeof(std::uint64_t);
    const auto commit = load<std::uint64_t>(key.data());
    const std::uint64_t count = list.size() < kNumber ? 0 : load<std::uint64_t>(list.data());
    if (list.size() < kNumber || count > list.size() / kNumber - 1 || commit > meta_.commit) {
      return bad(page.number(), "a list of free pages that makes no sense");
    }
    for (std::uint64_t i = 1; i <= count; ++i) {
      const auto number = load<std::uint64_t>(list.data() + i * kNumber);
      if (number < kMetas || number > meta_.last_page) {
        return bad(page.number(), "a free page that there cannot be");
      }
      if (number >= seen_.size()) {
        absent_.push_back(number);  // LMDB does not write those
      } else if (seen_[number]) {
        return bad(number, "it is used twice, or free as well");
      } else {
        seen_[number] = true;
      }
    }
    return true;
  }

  // Whether all pages that the file lacks are free.
  bool check_end() {
    std::ranges::sort(absent_);
    const auto twice = std::ranges::adjacent_find(absent_);
    if (twice != absent_.end()) {
      return bad(*twice, "it is free twice");
    }
    // The free list comes first and is small: it has been seen as a whole, or nothing was.
    return absent_.size() == meta_.last_page + 1 - seen_.size() || (!whole_ && looked_ == 0) ||
           cut_short((meta_.last_page + 1) * page_size_);
  }

  std::string_view bytes_;
  std::uint64_t left_;  // pages that may still be looked at
  std::uint64_t looked_ = 0;
  bool whole_ = true;
  std::size_t page_size_ = 0;
  Meta meta_;                          // of the newest commit
  Meta older_;                         // of the one before
  std::vector<bool> seen_;             // of the pages that the file has
  std::vector<std::uint64_t> absent_;  // free pages behind its end
  Error error_;
};

}  // namespace

Result<PageCheck> check_pages(const std::string& file, std::uint64_t pages_max) {
  MappedFile mapped;
  if (auto opened = mapped.open(file); !opened) {
    return std::unexpected(opened.error());
  }
  if (mapped.bytes().empty()) {
    return PageCheck{};
  }
  Checker checker(mapped.bytes(), pages_max);
  if (!checker.run()) {
    return fail(checker.error().code, file + ": " + checker.error().message);
  }
  return checker.result();
}

}  // namespace payonce::log
