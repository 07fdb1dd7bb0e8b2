"use strict";

// The alarms of docs/operations.md, threshold for threshold: [metric, statistic, at least, minutes, what missing data means].
const VITALS = {
  LateAcceptance: ["late_acceptances", "Maximum", 1, 1, "notBreaching"],
  CallsDoNotSettle: ["oldest_unsettled_seconds", "Maximum", 601, 5, "notBreaching"],
  AskedInVain: ["asked_in_vain", "Maximum", 1, 10, "notBreaching"],
  UnknownCalls: ["unknown_calls", "Maximum", 5, 5, "notBreaching"],
  CircuitBreaker: ["breaker_trips", "Maximum", 1, 1, "notBreaching"],
  AccountRefused: ["account_pauses", "Maximum", 1, 1, "notBreaching"],
  Throttled: ["throttles", "Maximum", 50, 15, "notBreaching"],
  ProcessorMissing: ["silent_processors", "Maximum", 1, 5, "notBreaching"],
};
const DIALLER = [
  { Name: "service", Value: "batchline" },
  { Name: "function", Value: "calls-batch-process" },
];

const logicalName = (name) => name.replace(/(^|-)(\w)/g, (_match, _dash, letter) => letter.toUpperCase());

const alarm = (properties) => ({
  Type: "AWS::CloudWatch::Alarm",
  Properties: { Period: 60, AlarmActions: [{ Ref: "Alarms" }], OKActions: [{ Ref: "Alarms" }], ...properties },
});

const above = (MetricName, Statistic, Threshold, EvaluationPeriods, TreatMissingData) => ({
  Namespace: "Batchline",
  Dimensions: DIALLER,
  MetricName,
  Statistic,
  Threshold,
  EvaluationPeriods,
  TreatMissingData,
  ComparisonOperator: "GreaterThanOrEqualToThreshold",
});

const silence = () =>
  alarm({
    ...above("slots_held", "SampleCount", 1, 5, "breaching"),
    ComparisonOperator: "LessThanThreshold",
    AlarmDescription: "No run of calls-batch-process has ended for 5 minutes",
  });

const claimsFail = () => alarm({ ...above("claims_failed", "Sum", 5, 1, "notBreaching"), Period: 300 });

const webhooksRefused = () =>
  alarm({
    ...above("webhooks_refused", "Sum", 10, 1, "notBreaching"),
    Dimensions: undefined, // of a log filter, which has none
    Period: 300,
  });

const errors = (fn) =>
  alarm({
    Namespace: "AWS/Lambda",
    MetricName: "Errors",
    Dimensions: [{ Name: "FunctionName", Value: fn.name }],
    Statistic: "Sum",
    Threshold: 1, // a minute has no more: it has one run, and that is not tried again
    EvaluationPeriods: 5,
    DatapointsToAlarm: 3,
    ComparisonOperator: "GreaterThanOrEqualToThreshold",
    TreatMissingData: "notBreaching",
    AlarmDescription: `${fn.name} fails`,
  });

const neverRuns = (fn) =>
  alarm({
    Namespace: "AWS/Lambda",
    MetricName: "Invocations",
    Dimensions: [{ Name: "FunctionName", Value: fn.name }],
    Statistic: "Sum",
    Threshold: 1,
    EvaluationPeriods: 10,
    ComparisonOperator: "LessThanThreshold",
    TreatMissingData: "breaching",
    AlarmDescription: `${fn.name} has not been started for 10 minutes`,
  });

const deadLetters = (id) =>
  alarm({
    Namespace: "AWS/SQS",
    MetricName: "ApproximateNumberOfMessagesVisible",
    Dimensions: [{ Name: "QueueName", Value: { "Fn::GetAtt": [`${id}DeadLetters`, "QueueName"] } }],
    Statistic: "Maximum",
    Threshold: 1,
    EvaluationPeriods: 1,
    ComparisonOperator: "GreaterThanOrEqualToThreshold",
    TreatMissingData: "notBreaching",
    AlarmDescription: `Messages that ${id} failed three times`,
  });

const serverErrors = () =>
  alarm({
    Namespace: "AWS/ApiGateway",
    MetricName: "5xx",
    Dimensions: [{ Name: "ApiId", Value: { Ref: "HttpApi" } }],
    Statistic: "Sum",
    Threshold: 5,
    EvaluationPeriods: 5,
    ComparisonOperator: "GreaterThanOrEqualToThreshold",
    TreatMissingData: "notBreaching",
    AlarmDescription: "Requests fail by our own fault",
  });

function alarms(service) {
  const made = {
    ProcessorSilentAlarm: silence(),
    ClaimsFailAlarm: claimsFail(),
    WebhooksRefusedAlarm: webhooksRefused(),
    ServerErrorsAlarm: serverErrors(),
  };
  for (const [name, figures] of Object.entries(VITALS)) made[`${name}Alarm`] = alarm(above(...figures));
  for (const name of service.getAllFunctions()) {
    const fn = service.getFunction(name);
    const id = logicalName(name);
    if (fn.schedules.length) made[`${id}ErrorsAlarm`] = errors(fn);
    if (fn.schedules.length && name !== DIALLER[1].Value) made[`${id}SilentAlarm`] = neverRuns(fn); // its own says more
    if (fn.fanOut && service.custom.fanOut) made[`${id}DeadLettersAlarm`] = deadLetters(id);
  }
  return made;
}

module.exports = { alarms, logicalName };
