import SwiftQTL
import Testing

@testable import SwiftQTLCommand

@Suite struct MachineTests {
  @Test(
    arguments: [
      ("200000 100000\n", 2), ("350000 100000", 3), ("50000 100000\n", 1), ("1000 100000", 1),
      ("max 100000\n", nil), ("", nil), ("200000", nil), ("200000 0", nil), ("a b", nil),
    ] as [(String, Int?)])
  func coreQuota(_ text: String, cores: Int?) {
    #expect(Machine.coreQuota(text) == cores)
  }

  @Test func affinity() {
    #expect(Machine.affinityCount(status: "Name:\tx\nCpus_allowed_list:\t0-3,8,10-11\n") == 7)
    #expect(Machine.affinityCount(status: "Cpus_allowed_list:\t5\n") == 1)
    #expect(Machine.affinityCount(status: nil) >= 1)
  }

  @Test func availableCores() {
    #expect(Machine.availableCores(environment: ["SLURM_CPUS_PER_TASK": "1"], quotas: []) == 1)
    #expect(Machine.availableCores(environment: [:], quotas: ["max 100000", "100000 100000"]) == 1)
    let all = Machine.availableCores(environment: [:], quotas: [])
    #expect(all >= 1)
    // None of these is a limit.
    for value in ["0", "-1", "many", "100000"] {
      #expect(
        Machine.availableCores(environment: ["SLURM_CPUS_PER_TASK": value], quotas: ["max 100000"]) == all)
    }
  }

  /// OpenBLAS takes a core's name unseen: kernels that the processor lacks would end the program.
  @Test func blasCores() {
    let zen = "vendor_id\t: AuthenticAMD\nflags\t\t: fpu sse4_2 avx fma avx2\nbugs\t\t:\n"
    for core in ["Haswell", "Zen", "Sandybridge"] {
      #expect(Machine.canRun(blasCore: core, processor: zen))
    }
    for core in ["SkylakeX", "Cooperlake", "SapphireRapids", "neoversen1", ""] {
      #expect(!Machine.canRun(blasCore: core, processor: zen))
    }
    let server = "flags : avx2 fma avx512f avx512cd avx512bw avx512dq avx512vl\n"
    #expect(Machine.canRun(blasCore: "SkylakeX", processor: server))
    #expect(!Machine.canRun(blasCore: "Cooperlake", processor: server))
    #expect(!Machine.canRun(blasCore: "Haswell", processor: nil))
  }

  @Test func memory() {
    #expect(Machine.memory() > 1 << 26)
    #expect(Machine.peakResident() > 1 << 20 && Machine.peakResident() < Machine.memory())
    #expect(Machine.peakResident(status: "VmPeak:\t   99 kB\nVmHWM:\t    1234 kB\n") == 1234 * 1024)
    #expect(Machine.peakResident(status: "Name:\tswiftqtl\n") > 1 << 20)
    let all = Machine.memory(environment: [:], limits: [])
    #expect(Machine.memory(environment: [:], limits: ["max\n", "8388608\n", "16777216\n"]) == 8 << 20)
    #expect(Machine.memory(environment: ["SLURM_MEM_PER_NODE": "24"], limits: []) == 24 << 20)
    // None of these is a limit.
    for value in ["0", "-1", "much", "9223372036854775807"] {
      #expect(Machine.memory(environment: ["SLURM_MEM_PER_NODE": value], limits: ["max", ""]) == all)
    }
  }

  /// A job's limit may stand in any group above the process's own.
  @Test func cgroups() throws {
    let folder = try Folder()
    _ = try folder.subfolder("job/step")
    try folder.file("3\n", "limit")
    try folder.file("2\n", "job/limit")
    try folder.file("1\n", "job/step/limit")
    func read(_ membership: String?) -> [String] {
      Machine.cgroupFiles("limit", root: folder.path(""), membership: membership)
    }
    #expect(read("0::/job/step\n") == ["3\n", "2\n", "1\n"])
    #expect(read("12:cpu:/elsewhere\n0::/job\n") == ["3\n", "2\n"])
    // A group that cannot be seen from here, version 1, no cgroups.
    for membership in ["0::/\n", "0::/absent/too\n", "12:cpu:/job\n", "", nil] {
      #expect(read(membership) == ["3\n"])
    }
    #expect(Machine.cgroupFiles("limit", root: folder.path("absent"), membership: "0::/job\n").isEmpty)
  }

  @Test(arguments: [
    ("8G", 8 << 30), ("8GiB", 8 << 30), ("8gb", 8 << 30), ("1.5K", 1536), ("2T", 2 << 40),
    ("512M", 512 << 20),
    ("1000", 1000), ("1000B", 1000),
  ])
  func memorySize(_ text: String, bytes: Int) {
    #expect(MemorySize(argument: text)?.bytes == bytes)
  }

  @Test(arguments: ["", "G", "0", "-1G", "8X", "nan", "inf", "1e30", "0.1", "8 G 9", "infG"])
  func noMemorySize(_ text: String) {
    #expect(MemorySize(argument: text) == nil)
  }

  @Test func progressLine() {
    #expect(
      Progress.line(fraction: 0.25, tests: 12_300_000, rows: 42, elapsed: 10, bar: false)
        == "25%  1.2 M tests/s  42 rows  30 s left")
    // A simulation tests nothing.
    #expect(
      Progress.line(fraction: 0.5, tests: 0, rows: 7, elapsed: 7200, bar: true)
        == "[############............] 50%  7 rows  2 h 0 min left")
    // Too early to tell.
    #expect(Progress.line(fraction: 0, tests: 0, rows: 0, elapsed: 0, bar: false).hasSuffix("? left"))
    #expect(Progress.line(fraction: 1.5, tests: 1, rows: 1, elapsed: 1, bar: true).contains("100%"))
  }

  @Test(arguments: [
    (0.4, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3_599, "59 min 59 s"), (7_260, "2 h 1 min"),
  ])
  func duration(_ seconds: Double, text: String) {
    #expect(Progress.duration(seconds) == text)
  }

  @Test(arguments: [
    (999.0, "999.0"), (1_000, "1.0 k"), (12_345, "12.3 k"), (2.5e6, "2.5 M"), (3e9, "3.0 G"),
    (999_999, "1000.0 k"),
  ])
  func rates(_ rate: Double, text: String) {
    #expect(Progress.si(rate) == text)
  }

  /// Either side of where doubles end, and where nine digits carry.
  @Test(arguments: [
    (0, "1"), (-0.6931471805599453, "0.5"), (-690.7755278982137, "1e-300"), (-921.0340371976183, "1e-400"),
    (-921.0340371976183 - 1e-12, "1e-400"), (-921.0340371976183 + 0.6931471805599453, "2e-400"),
    (-230_258.50929940457, "1e-100000"),
  ])
  func smallP(_ logP: Double, text: String) {
    var buffer = RowBuffer()
    buffer.append(logP: logP)
    #expect(buffer.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } == text)
  }
}
