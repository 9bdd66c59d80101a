#include "walk.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace weir::store {
namespace {

using Place = Database::Place;

// The least key that is larger: with every byte string of the database, appending a zero byte.
std::string After(std::string_view key) { return std::string(key) + '\0'; }

// Adds 2^bit to a key of our length, as a number; false: beyond the last key of the table.
bool Advance(EncodedKey& key, int bit) {
  unsigned carry = 1u << (bit % 8);
  for (size_t i = kKeyBytes - 1 - static_cast<size_t>(bit) / 8; i > 0 && carry != 0; --i) {
    carry += static_cast<uint8_t>(key[i]);
    key[i] = static_cast<char>(carry & 0xff);
    carry >>= 8;
  }
  return carry == 0;
}

class Walker {
 public:
  Walker(const Database& database, const Database::Snapshot* snapshot, StoreTable table,
         const std::function<Status(const WalkStep&)>& visit)
      : database_(database),
        snapshot_(snapshot),
        table_(table),
        visit_(visit),
        records_(database.NewCursor(Family::kRecords, snapshot)),
        directory_(database.NewCursor(Family::kDirectory, snapshot)) {}

  Result<WalkOutcome> Run() {
    SeekBoth(std::string(1, static_cast<char>(table_)));
    for (;;) {
      const Place record = PlaceOf(*records_);
      const Place entry = PlaceOf(*directory_);
      if (record == Place::kFailed) return records_->error();
      if (entry == Place::kFailed) return directory_->error();
      outcome_.records_damaged |= record == Place::kDamaged;
      outcome_.directory_damaged |= entry == Place::kDamaged;
      if (record == Place::kEnd && entry == Place::kEnd) return outcome_;
      if (record == Place::kDamaged && entry != Place::kAt) {
        if (!Leap()) return outcome_;
        continue;
      }
      leap_bit_ = 0;
      if (record == Place::kEnd && entry == Place::kDamaged) return outcome_;
      WEIR_TRY(record == Place::kDamaged ? UnreadableRecord() : Compare(record, entry));
    }
  }

 private:
  Place PlaceOf(const Database::Cursor& cursor) const {
    const Place place = cursor.place();
    if (place != Place::kAt) return place;
    return !cursor.key().empty() && cursor.key()[0] == static_cast<char>(table_) ? Place::kAt : Place::kEnd;
  }

  // Everything before `key` is done with.
  void SeekBoth(const std::string& key) {
    done_ = key;
    records_->Seek(key);
    directory_->Seek(key);
  }

  // Neither side can be read here, and nothing says where the damage ends: look further and further ahead.
  bool Leap() {
    EncodedKey key{};
    done_.copy(key.data(), key.size());
    if (leap_bit_ >= 128 || !Advance(key, leap_bit_++)) return false;
    SeekBoth(std::string(View(key)));
    return true;
  }

  // The directory's next entry is the next record there is, as far as anybody knows; it may well be readable by itself.
  Status UnreadableRecord() {
    const std::string key(directory_->key());
    WEIR_ASSIGN(const Read read, database_.Get(Family::kRecords, key, snapshot_));
    if (read.found == Found::kThere) {
      WEIR_TRY(Both(key, directory_->value(), read.bytes));
    } else {
      WEIR_TRY(Lost(key, directory_->value(), Finding::kUnreadable));
    }
    done_ = After(key);
    directory_->Next();
    records_->Seek(done_);
    return {};
  }

  Status Compare(Place record, Place entry) {
    const int order = record == Place::kEnd ? 1 : entry != Place::kAt ? -1 : records_->key().compare(directory_->key());
    if (order > 0) {
      const std::string key(directory_->key());
      WEIR_TRY(Lost(key, directory_->value(), Finding::kAbsent));
      done_ = After(key);
      return directory_->Next(), Status();
    }
    const std::string key(records_->key());
    if (order == 0) {
      WEIR_TRY(Both(key, directory_->value(), records_->value()));
      directory_->Next();
    } else {
      WEIR_TRY(Unlisted(key, records_->value(), entry == Place::kDamaged));
    }
    done_ = After(key);
    records_->Next();
    if (entry == Place::kDamaged) directory_->Seek(done_);
    return {};
  }

  // A record, and the directory's entry for it.
  Status Both(std::string_view raw_key, std::string_view raw_entry, std::string_view record) {
    WalkStep step{.raw_key = raw_key, .listed = true, .record = record};
    const std::optional<DirectoryEntry> entry = CountEntry(raw_key, raw_entry);
    const std::optional<OpenedRecord> opened = OpenRecord(raw_key, record, step);
    if (!opened) {
      step.finding = Finding::kFailed;
    } else if (entry != DirectoryEntry{opened->checksum, opened->bytes.size()}) {
      step.finding = Finding::kStray;
    }
    return visit_(step);
  }

  Status Unlisted(std::string_view raw_key, std::string_view record, bool directory_damaged) {
    WalkStep step{.raw_key = raw_key, .record = record};
    if (!OpenRecord(raw_key, record, step)) {
      step.finding = Finding::kFailed;
    } else if (!directory_damaged) {
      step.finding = Finding::kStray;
    }
    return visit_(step);
  }

  Status Lost(std::string_view raw_key, std::string_view raw_entry, Finding finding) {
    WalkStep step{.finding = finding, .raw_key = raw_key, .listed = true};
    const std::optional<DirectoryEntry> entry = CountEntry(raw_key, raw_entry);
    const std::optional<StoreKey> key = DecodeKey(table_, raw_key);
    if (key) step.key = EncodeKey(table_, *key), step.store_key = *key;
    if (entry) step.entry = *entry;
    return visit_(step);
  }

  std::optional<OpenedRecord> OpenRecord(std::string_view raw_key, std::string_view record, WalkStep& step) const {
    const std::optional<StoreKey> key = DecodeKey(table_, raw_key);
    if (!key) return std::nullopt;
    step.key = EncodeKey(table_, *key);
    step.store_key = *key;
    const std::optional<OpenedRecord> opened = OpenEnvelope(step.key, record);
    if (!opened) return std::nullopt;
    step.entry = {opened->checksum, opened->bytes.size()};
    step.bytes = opened->bytes;
    return opened;
  }

  // nullopt: not an entry of ours.
  std::optional<DirectoryEntry> CountEntry(std::string_view raw_key, std::string_view raw_entry) {
    const std::optional<DirectoryEntry> entry = DecodeEntry(raw_entry);
    const std::optional<StoreKey> key = DecodeKey(table_, raw_key);
    if (entry && key) outcome_.directory.Add(EncodeKey(table_, *key), *entry);
    return entry;
  }

  const Database& database_;
  const Database::Snapshot* snapshot_;
  const StoreTable table_;
  const std::function<Status(const WalkStep&)>& visit_;
  std::unique_ptr<Database::Cursor> records_;
  std::unique_ptr<Database::Cursor> directory_;
  std::string done_;
  int leap_bit_ = 0;
  WalkOutcome outcome_;
};

}  // namespace

Result<WalkOutcome> Walk(const Database& database, const Database::Snapshot* snapshot, StoreTable table,
                         const std::function<Status(const WalkStep& step)>& visit) {
  return Walker(database, snapshot, table, visit).Run();
}

}  // namespace weir::store
