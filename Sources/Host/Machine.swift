import Glibc

/// What the operating system and the batch system let this process use.
package enum Machine {
  /// The least of CPU affinity, the cgroups' CPU quotas and SLURM_CPUS_PER_TASK.
  package static func availableCores(
    environment: [String: String] = batchSystem(),
    quotas: [String] = cgroupFiles("cpu.max")
  ) -> Int {
    var cores = affinityCount()
    for limit in quotas.compactMap(coreQuota) { cores = min(cores, limit) }
    if let slurm = positive(environment["SLURM_CPUS_PER_TASK"]) { cores = min(cores, slurm) }
    return max(1, cores)
  }

  /// What SLURM says to its jobs.
  package static func batchSystem() -> [String: String] {
    var variables: [String: String] = [:]
    for name in ["SLURM_CPUS_PER_TASK", "SLURM_MEM_PER_NODE"] {
      variables[name] = getenv(name).map { String(cString: $0) }
    }
    return variables
  }

  /// Processors that the affinity mask leaves (`Cpus_allowed_list`, as `0-3,8`); all that are online where it cannot be read.
  package static func affinityCount(status: String? = contents("/proc/self/status")) -> Int {
    let line = status?.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
    let ranges = line?.split(whereSeparator: \.isWhitespace).dropFirst().first?.split(separator: ",") ?? []
    var count = 0
    for range in ranges {
      let ends = range.split(separator: "-").compactMap { Int($0) }
      if let first = ends.first, let last = ends.last, last >= first { count += last - first + 1 }
    }
    return count > 0 ? count : sysconf(Int32(_SC_NPROCESSORS_ONLN))
  }

  /// `cpu.max` of cgroup v2: "QUOTA PERIOD" or "max PERIOD"; whole cores, at least one.
  package static func coreQuota(_ text: String) -> Int? {
    let fields = text.split(whereSeparator: \.isWhitespace)
    guard fields.count == 2, let quota = Double(fields[0]), let period = Double(fields[1]), period > 0 else {
      return nil
    }
    return max(1, Int(quota / period))
  }

  /// Bytes: the least of physical memory, the cgroups' limits and SLURM_MEM_PER_NODE, which counts MiB (0: all).
  package static func memory(
    environment: [String: String] = batchSystem(),
    limits: [String] = cgroupFiles("memory.max")
  ) -> Int {
    var bytes = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    for limit in limits.compactMap(positive) { bytes = min(bytes, limit) }
    if let slurm = positive(environment["SLURM_MEM_PER_NODE"]) {
      bytes = min(bytes, min(slurm, 1 << 40) << 20)
    }
    return bytes
  }

  /// The contents of a control file in this process's cgroup and in those above it: the limits of all of them bind.
  ///
  /// - Parameters:
  ///   - root: where cgroup v2 is mounted.
  ///   - membership: what /proc/self/cgroup says; its line of v2 is `0::PATH`.
  package static func cgroupFiles(
    _ name: String, root: String = "/sys/fs/cgroup", membership: String? = contents("/proc/self/cgroup")
  ) -> [String] {
    let line = membership?.split(separator: "\n").first { $0.hasPrefix("0::") }
    let path = (line?.dropFirst(3) ?? "").split(separator: "/")
    return (0...path.count).compactMap { depth in
      contents(([root[...]] + path[..<depth] + [name[...]]).joined(separator: "/"))
    }
  }

  private static func positive(_ text: String?) -> Int? {
    let number = text.flatMap { Int($0.filter { !$0.isWhitespace }) }
    return number.flatMap { $0 > 0 ? $0 : nil }
  }

  /// Whether the processor has what OpenBLAS's kernels for a core take: OpenBLAS runs those it is told to, and dies if it cannot.
  ///
  /// - Parameter processor: what /proc/cpuinfo says.
  package static func canRun(blasCore: String, processor: String? = contents("/proc/cpuinfo")) -> Bool {
    let avx512 = ["avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"]
    let needed: [String: [String]] = [
      "nehalem": ["sse4_2"], "sandybridge": ["avx"], "haswell": ["avx2", "fma"], "zen": ["avx2", "fma"],
      "skylakex": avx512, "cooperlake": avx512 + ["avx512_bf16"],
      "sapphirerapids": avx512 + ["avx512_bf16", "amx_bf16"],
    ]
    let line = processor?.split(separator: "\n").first { $0.hasPrefix("flags") }
    let flags = Set(line?.split(whereSeparator: \.isWhitespace).map(String.init) ?? [])
    return needed[blasCore.lowercased()].map { flags.isSuperset(of: $0) } ?? false
  }

  /// Peak resident memory of this process so far, in bytes.
  ///
  /// By the kernel's status file: getrusage counts what the process was started from, too.
  package static func peakResident(status: String? = contents("/proc/self/status")) -> Int {
    let line = status?.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    if let fields = line?.split(whereSeparator: \.isWhitespace), fields.count == 3, let size = Int(fields[1])
    {
      return size * 1024
    }
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss * 1024
  }

  package static func contents(_ path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    // Files of the kernel: short, and without a size.
    var buffer = [UInt8](repeating: 0, count: 1 << 14)
    let count = fread(&buffer, 1, buffer.count, file)
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
  }
}
