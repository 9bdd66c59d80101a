#include "inspection.h"

#include <string>
#include <utility>

#include "walk.h"

namespace weir::store {
namespace {

using Place = Database::Place;

// What is set aside in place at most; beyond it the database is replaced, a piece at a time.
constexpr uint64_t kAsideBytesMax = uint64_t{64} << 20;
constexpr uint64_t kPieceBytes = uint64_t{4} << 20;

struct Known {
  std::optional<Totals> totals[kStoreTables.size()];
  std::optional<Counters> counters;
};

// What cannot be read, or was not there, is nullopt: in a store it is always there.
Result<Known> ReadAllKnown(const Database& database) {
  Known known;
  for (size_t i = 0; i < kStoreTables.size(); ++i) {
    WEIR_ASSIGN(const Read read, database.Get(Family::kTotals, TotalsKey(kStoreTables[i])));
    known.totals[i] = DecodeTotals(kStoreTables[i], read.bytes);
  }
  WEIR_ASSIGN(const Read read, database.Get(Family::kTotals, kCountersKey));
  known.counters = DecodeCounters(read.bytes);
  return known;
}

// false: damaged somewhere.
Result<bool> IsReadable(const Database& database, Family family) {
  const auto cursor = database.NewCursor(family, nullptr);
  cursor->Seek("");
  while (cursor->place() == Place::kAt) cursor->Next();
  if (cursor->place() == Place::kFailed) return cursor->error();
  return cursor->place() == Place::kEnd;
}

void PutKnown(WriteSet& changes, const AllTotals& totals, const Counters& counters) {
  for (const StoreTable table : kStoreTables) {
    changes.Put(Family::kTotals, TotalsKey(table), EncodeTotals(table, totals[static_cast<size_t>(table) - 1]));
  }
  changes.Put(Family::kTotals, kCountersKey, EncodeCounters(counters));
}

class Inspector {
 public:
  explicit Inspector(const Database& database) : database_(database) {}

  Result<Inspection> Run() {
    WEIR_ASSIGN(const Known known, ReadAllKnown(database_));
    found_.damaged = !known.counters;
    found_.counters = known.counters.value_or(Counters());
    const Counters before = found_.counters;
    for (size_t i = 0; i < kStoreTables.size(); ++i) WEIR_TRY(InspectTable(kStoreTables[i], known.totals[i]));
    for (const Family family : {Family::kTotals, Family::kAside}) {
      WEIR_ASSIGN(const bool readable, IsReadable(database_, family));
      found_.damaged |= !readable;
    }
    found_.damaged |= found_.repairs.bytes() > kAsideBytesMax;
    found_.changed |= found_.counters != before;
    PutKnown(found_.repairs, found_.totals, found_.counters);
    return std::move(found_);
  }

 private:
  Status InspectTable(StoreTable table, const std::optional<Totals>& expected) {
    Totals& intact = Of(found_.totals, table);
    uint64_t accounted = 0;  // for a record that was acknowledged, and is there or is counted already
    const auto visit = [&](const WalkStep& step) -> Status {
      if (step.finding == Finding::kIntact) intact.Add(step.key, step.entry);
      if (step.listed || step.finding == Finding::kIntact) ++accounted;
      Account(step);
      return {};
    };
    WEIR_ASSIGN(const WalkOutcome outcome, Walk(database_, nullptr, table, visit));
    found_.damaged |= outcome.directory_damaged || outcome.records_damaged || !expected;
    if (!expected) return {};
    if (accounted < expected->records) {
      found_.counters.missing += expected->records - accounted;
    } else if (!outcome.directory_damaged && outcome.directory != *expected) {
      ++found_.counters.missing;  // at least one entry of the directory is not the one that was written last
    }
    return {};
  }

  void Account(const WalkStep& step) {
    switch (step.finding) {
      case Finding::kIntact: return;
      case Finding::kFailed:
      case Finding::kStray:
        ++found_.counters.set_aside;
        if (found_.repairs.bytes() <= kAsideBytesMax) {
          found_.repairs.Put(Family::kAside, step.raw_key, step.record);
          found_.repairs.Erase(Family::kRecords, step.raw_key);
        }
        break;
      case Finding::kUnreadable:
      case Finding::kAbsent: ++found_.counters.missing; break;
    }
    found_.repairs.Erase(Family::kDirectory, step.raw_key);
  }

  const Database& database_;
  Inspection found_;
};

// Writes in pieces.
class Copier {
 public:
  explicit Copier(Database& to) : to_(to) {}
  Status Put(Family family, std::string_view key, std::string_view value) {
    piece_.Put(family, key, value);
    return piece_.bytes() < kPieceBytes ? Status() : Finish();
  }
  Status Finish() {
    WEIR_TRY(to_.Write(piece_));
    piece_ = WriteSet();
    return {};
  }

 private:
  Database& to_;
  WriteSet piece_;
};

}  // namespace

Status WriteKnown(Database& database, const AllTotals& totals, const Counters& counters) {
  WriteSet changes;
  PutKnown(changes, totals, counters);
  return database.Write(changes);
}

Status ReadKnown(OpenedDatabase& opened) {
  WEIR_ASSIGN(const Known known, ReadAllKnown(*opened.database));
  for (size_t i = 0; i < kStoreTables.size(); ++i) opened.totals[i] = known.totals[i].value_or(Totals());
  opened.counters = known.counters.value_or(Counters());
  return {};
}

Result<Inspection> Inspect(const Database& database) { return Inspector(database).Run(); }

Status CopyIntact(const Database& from, Database& to, const Counters& counters) {
  AllTotals totals;
  Copier copier(to);
  for (const StoreTable table : kStoreTables) {
    const auto visit = [&](const WalkStep& step) -> Status {
      if (step.finding == Finding::kFailed || step.finding == Finding::kStray) {
        return copier.Put(Family::kAside, step.raw_key, step.record);
      }
      if (step.finding != Finding::kIntact) return {};
      Of(totals, table).Add(step.key, step.entry);
      WEIR_TRY(copier.Put(Family::kRecords, step.raw_key, step.record));
      return copier.Put(Family::kDirectory, step.raw_key, EncodeEntry(step.entry));
    };
    auto walked = Walk(from, nullptr, table, visit);
    if (!walked) return std::move(walked).error();
  }
  const auto aside = from.NewCursor(Family::kAside, nullptr);
  for (aside->Seek(""); aside->place() == Place::kAt; aside->Next()) {
    WEIR_TRY(copier.Put(Family::kAside, aside->key(), aside->value()));
  }
  WEIR_TRY(copier.Finish());
  WEIR_TRY(WriteKnown(to, totals, counters));
  return to.Flush();
}

}  // namespace weir::store
