import Distributions
import Glibc

/// A planned run on a cluster, played through many times: how long it takes, what it costs and whether it ends, by the number of
/// shards it is cut into.
///
/// Model: all shards are submitted at once, each as a job; shards are equally long. Every start of a job waits in the queue
/// (exponential, independent), then for a free node, first come, first served, one job to a node. It prepares anew, then works. It
/// dies at its time limit, when its node fails (exponential; idle nodes do not fail), or by itself at a uniformly distributed
/// point of its course; then its shard is submitted again, as often as `retries` allows. A start may be slow as a whole: by a
/// factor with some probability, and by a lognormal one with mean 1.
///
/// Random numbers belong to a shard of a repeat: what becomes of a shard's starts does not depend on the number of nodes, and
/// with more retries the same starts are followed by others.
public struct ClusterRehearsal: Sendable {
  /// Seconds of work of the whole run on one node, without preparation.
  public var workSeconds: Double
  /// Seconds that each start takes before it works.
  public var preparationSeconds = 0.0
  public var nodes = 1
  /// Mean seconds from submission until the job may start, nodes being free.
  public var queueSeconds = 0.0
  /// Seconds after which a job is killed.
  public var timeLimit = Double.infinity
  /// Failures of a node per second of running.
  public var nodeFailureRate = 0.0
  /// Seconds that a failed node is out.
  public var repairSeconds = 0.0
  /// The probability that a start dies by itself.
  public var jobFailure = 0.0
  /// The probability that a start is slow.
  public var stragglerShare = 0.0
  /// How many times longer a slow start takes.
  public var stragglerFactor = 1.0
  /// Standard deviation of the logarithm of a start's duration.
  public var noise = 0.0
  /// Starts of a shard after its first.
  public var retries = 3
  /// Seconds of work between two entries of a shard's journal, from which its next start goes on; nil: all its work is lost.
  public var journalSeconds: Double?
  public var seed: UInt64 = 1

  public init(workSeconds: Double) { self.workSeconds = workSeconds }

  /// One course of the run. Node seconds are those of jobs: what they ran, on whatever node.
  public struct Outcome: Sendable, Equatable {
    /// From submission to the end of the last shard, finished or given up; in seconds.
    public var makespan = 0.0
    public var usedNodeSeconds = 0.0
    /// Kept work of finished shards, and the preparation of the start that finished each.
    public var usefulNodeSeconds = 0.0
    /// Work that was lost, the preparation of starts that died, and all of the shards that were given up.
    public var wastedNodeSeconds = 0.0
    /// Of the shard that took the most.
    public var retries = 0
    /// Shards that did not finish within the retries.
    public var failedShards = 0
  }

  /// What may be expected of a number of shards.
  public struct Summary: Sendable, Equatable {
    public var shards: Int
    /// Of the courses in which every shard finished; NaN where there is none. In seconds.
    public var medianMakespan: Double
    /// 95 of 100 such courses take no longer.
    public var upperMakespan: Double
    /// 95 of 100 such courses need no more retries of a shard.
    public var upperRetries: Int?
    /// Means over all courses.
    public var usedNodeSeconds: Double
    public var wastedNodeSeconds: Double
    /// Share of courses in which every shard finished.
    public var completeShare: Double
  }

  /// - Precondition: numbers that make sense: times, rates and counts not negative, at least a node, a shard and a repeat, shares
  ///   within 0…1, a journal's step above 0.
  /// - Complexity: O(repeats × starts × log(shards + nodes)).
  public func summary(shards: Int, repeats: Int) -> Summary {
    precondition(repeats > 0)
    let outcomes = (0..<repeats).map { outcome(shards: shards, repeat: $0) }
    let complete = outcomes.filter { $0.failedShards == 0 }
    let makespans = complete.map(\.makespan).sorted()
    let count = Double(repeats)
    return Summary(
      shards: shards, medianMakespan: Self.quantile(makespans, 0.5) ?? .nan,
      upperMakespan: Self.quantile(makespans, 0.95) ?? .nan,
      upperRetries: Self.quantile(complete.map(\.retries).sorted(), 0.95),
      usedNodeSeconds: outcomes.reduce(0) { $0 + $1.usedNodeSeconds } / count,
      wastedNodeSeconds: outcomes.reduce(0) { $0 + $1.wastedNodeSeconds } / count,
      completeShare: Double(complete.count) / count)
  }

  /// The smallest value that at least a share `level` of the sorted values does not exceed.
  private static func quantile<Value>(_ sorted: [Value], _ level: Double) -> Value? {
    sorted.isEmpty ? nil : sorted[max(0, Int((level * Double(sorted.count)).rounded(.up)) - 1)]
  }

  /// Of the numbers of shards with which at least `completeShare` of the courses end, and that are done in 95 of 100 courses within
  /// 2 % of the soonest: the one that uses the least node time; of equal ones that with fewer shards. Nil where none ends so often.
  public static func best(of summaries: [Summary], completeShare: Double = 0.95) -> Summary? {
    let complete = summaries.filter { $0.completeShare >= completeShare && !$0.upperMakespan.isNaN }
    guard let soonest = complete.map(\.upperMakespan).min() else { return nil }
    return complete.filter { $0.upperMakespan <= 1.02 * soonest }
      .min { ($0.usedNodeSeconds, $0.shards) < ($1.usedNodeSeconds, $1.shards) }
  }

  /// The course with number `repeat`.
  ///
  /// Jobs are taken in the order in which they leave the queue. What a job submits again leaves it after the job itself did, so
  /// that no job is taken before one that should precede it.
  public func outcome(shards shardCount: Int, repeat: Int) -> Outcome {
    precondition(shardCount > 0 && nodes > 0)
    var outcome = Outcome()
    var shards = (0..<shardCount).map { index in
      Shard(
        work: workSeconds / Double(shardCount),
        random: CounterRNG(seed: seed, stream: UInt64(`repeat`) << 32 | UInt64(index)))
    }
    var queue = Heap<Job>()
    for index in shards.indices {
      queue.insert(Job(time: exponential(queueSeconds, &shards[index].random), shard: index))
    }
    var freeTimes = Heap<Double>()
    for _ in 0..<nodes { freeTimes.insert(0) }

    while let job = queue.popFirst(), let freeTime = freeTimes.popFirst() {
      let start = max(job.time, freeTime)
      let run = run(&shards[job.shard])
      let end = start + run.duration
      freeTimes.insert(run.end == .nodeFailed ? end + repairSeconds : end)
      outcome.usedNodeSeconds += run.duration
      outcome.wastedNodeSeconds += run.lost
      outcome.makespan = max(outcome.makespan, end)
      let shard = shards[job.shard]
      if run.end == .finished {
        outcome.usefulNodeSeconds += shard.kept
        outcome.retries = max(outcome.retries, shard.starts - 1)
      } else if shard.starts <= retries {
        let wait = exponential(queueSeconds, &shards[job.shard].random)
        queue.insert(Job(time: end + wait, shard: job.shard))
      } else {
        outcome.failedShards += 1
        outcome.wastedNodeSeconds += shard.kept
      }
    }
    return outcome
  }

  private struct Shard {
    /// Seconds at normal speed that are not in the journal.
    var work: Double
    var random: CounterRNG
    var starts = 0
    /// Node seconds that brought it forward.
    var kept = 0.0
  }

  private struct Run {
    enum End { case finished, died, nodeFailed }
    var end: End
    var duration: Double
    /// Of the duration, what did not bring the shard forward.
    var lost: Double
  }

  private struct Job: Comparable {
    /// When it leaves the queue.
    var time: Double
    var shard: Int

    static func < (a: Job, b: Job) -> Bool { (a.time, a.shard) < (b.time, b.shard) }
  }

  /// One start of a shard. It draws the same number of random numbers however it ends.
  private func run(_ shard: inout Shard) -> Run {
    let isSlow = shard.random.nextUniform() < stragglerShare
    let normal = shard.random.nextNormal()
    let speed = (isSlow ? stragglerFactor : 1) * exp(noise * (normal - noise / 2))
    let dies = shard.random.nextUniform() < jobFailure
    let point = shard.random.nextUniform()
    let nodeLife = nodeFailureRate > 0 ? exponential(1 / nodeFailureRate, &shard.random) : .infinity
    shard.starts += 1

    let whole = speed * (preparationSeconds + shard.work)
    let life = min(timeLimit, dies ? point * whole : .infinity)
    let duration = min(whole, life, nodeLife)
    if duration == whole {
      shard.kept += whole
      shard.work = 0
      return Run(end: .finished, duration: whole, lost: 0)
    }
    var kept = 0.0
    if let journalSeconds {
      let done = max(0, duration / speed - preparationSeconds)
      kept = min((done / journalSeconds).rounded(.down) * journalSeconds, shard.work)
    }
    shard.work -= kept
    shard.kept += speed * kept
    return Run(
      end: nodeLife <= life ? .nodeFailed : .died, duration: duration, lost: duration - speed * kept)
  }

  /// One word of `random`; 0 for a mean of 0.
  private func exponential(_ mean: Double, _ random: inout CounterRNG) -> Double {
    -mean * log(random.nextUniform())
  }
}

/// The smallest element first.
private struct Heap<Element: Comparable> {
  private var elements: [Element] = []

  mutating func insert(_ element: Element) {
    elements.append(element)
    var child = elements.count - 1
    while child > 0, elements[child] < elements[(child - 1) / 2] {
      elements.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func popFirst() -> Element? {
    guard let first = elements.first else { return nil }
    let last = elements.removeLast()
    guard !elements.isEmpty else { return first }
    elements[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < elements.count {
        if elements[child] < elements[least] { least = child }
      }
      guard least != parent else { return first }
      elements.swapAt(parent, least)
      parent = least
    }
  }
}
