"use strict";

// What serverless.yml says in a word is spelt out here as CloudFormation, so that a new function stays a few lines:
//   uses: [what it reaches]   a role of its own with exactly that, its log group always
//   fanOut: <workers>         a queue of its own, served one message at a time by so many at once
//   a `schedule` event        no second try, and nothing that has waited for more than a minute
const { alarms, logicalName } = require("./alarms.cjs");

const ARN = "arn:${AWS::Partition}";
const HERE = "${AWS::Region}:${AWS::AccountId}";

const objects = (prefix) => ({ "Fn::Sub": `\${Storage.Arn}/${prefix}/*` });
const parameter = (stage, name) => ({ "Fn::Sub": `${ARN}:ssm:${HERE}:parameter/batchline/${stage}/agencies/*/${name}` });
const reading = (name) => (stage) => [allow(["ssm:GetParameter"], parameter(stage, name))];
const onObjects = (prefix, actions) => () => [allow(actions, objects(prefix))];
const allow = (Action, Resource) => ({ Effect: "Allow", Action, Resource });

// Also for who reads what may not be there: to those who may not list it, S3 says "forbidden" instead of "not found".
const listing = (...prefixes) => ({
  ...allow(["s3:ListBucket"], { "Fn::GetAtt": ["Storage", "Arn"] }),
  Condition: { StringLike: { "s3:prefix": prefixes.map((prefix) => `${prefix}/*`) } },
});
const PUT = ["s3:PutObject", "s3:AbortMultipartUpload"];

// A link is signed by the role that makes it, and opens no more than that role may.
const USES = {
  "provider-key": reading("ultravox-api-key"),
  "webhook-secret": reading("ultravox-webhook-secret"),
  "tasks-read": onObjects("batch-calls", ["s3:GetObject"]),
  "tasks-erase": onObjects("batch-calls", ["s3:DeleteObject"]),
  "tasks-write": onObjects("batch-calls", ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"]),
  "imports-read": onObjects("imports", ["s3:GetObject"]),
  "imports-upload": onObjects("imports", ["s3:PutObject"]),
  "imports-process": () => [
    allow([...PUT, "s3:GetObject", "s3:DeleteObject"], objects("imports")),
    listing("imports"), // a file that has not come yet
  ],
  "exports-write": onObjects("exports", [...PUT, "s3:GetObject", "s3:DeleteObject"]),
  "exports-erase": () => [
    allow(["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], [objects("exports"), objects("batch-calls")]),
    listing("exports", "batch-calls"), // a list that is gone with its batch
  ],
};

// For a service that acts for every account: only when it acts for ours.
const FOR_US = { Condition: { StringEquals: { "aws:SourceAccount": { Ref: "AWS::AccountId" } } } };
const trusting = (service, when) => ({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole", ...when }],
});
const role = (service, statements, when) => ({
  Type: "AWS::IAM::Role",
  Properties: {
    AssumeRolePolicyDocument: trusting(service, when),
    Policies: [{ PolicyName: "what-it-uses", PolicyDocument: { Version: "2012-10-17", Statement: statements } }],
  },
});

class Deployment {
  constructor(serverless) {
    this.serverless = serverless;
    serverless.configSchemaHandler.defineFunctionProperties("aws", {
      properties: {
        uses: { type: "array", items: { enum: Object.keys(USES) } },
        fanOut: { type: "integer", minimum: 2, maximum: 1000 },
      },
    });
    this.hooks = {
      "before:package:initialize": () => this.each((name, fn) => this.prepare(name, fn)),
      "before:package:finalize": () => this.finish(),
      // The local stack runs the processors; offline would, with six seconds for each, too short for a turn.
      "before:offline:start": () => {
        this.each((_name, fn) => this.unschedule(fn));
        delete this.serverless.service.package.artifact; // what runs is the source, packed or not
      },
    };
  }

  get stage() {
    return this.serverless.getProvider("aws").getStage();
  }

  get resources() {
    return this.serverless.service.provider.compiledCloudFormationTemplate.Resources;
  }

  each(work) {
    for (const name of this.serverless.service.getAllFunctions()) work(name, this.serverless.service.getFunction(name));
  }

  fansOut(fn) {
    return fn.fanOut && this.serverless.service.custom.fanOut;
  }

  // Before anything is compiled: what osls itself knows how to write.
  prepare(name, fn) {
    const id = logicalName(name);
    fn.role = `${id}Role`;
    fn.schedules = fn.events.filter((event) => event.schedule).map((event) => event.schedule);
    if (!fn.schedules.length) return;
    this.unschedule(fn); // osls would make a rule of it, which tries again
    fn.maximumRetryAttempts = 0;
    fn.maximumEventAge = 60;
    if (!this.fansOut(fn)) return;
    delete fn.reservedConcurrency; // the queue's workers are held to their number where they take messages
    fn.environment = { ...fn.environment, DISPATCH_QUEUE_URL: { Ref: `${id}Queue` }, DISPATCH_CONCURRENCY: String(fn.fanOut) };
  }

  unschedule(fn) {
    fn.events = fn.events.filter((event) => !event.schedule);
  }

  // After everything is compiled: what it does not.
  finish() {
    const functionId = (name) => this.serverless.getProvider("aws").naming.getLambdaLogicalId(name);
    this.each((name, fn) => {
      const id = logicalName(name);
      const made = this.resources[functionId(name)];
      made.DependsOn = made.DependsOn.filter((other) => other !== fn.role); // its Role says so already
      if (this.fansOut(fn)) this.addQueue(id, functionId(name), fn);
      this.resources[`${id}Role`] = role("lambda.amazonaws.com", this.statements(id, fn));
      for (const rate of fn.schedules) this.addSchedule(id, functionId(name), fn, rate);
    });
    this.serverless.service.resources.Resources.Storage.Properties.CorsConfiguration = this.crossOrigin();
    Object.assign(this.resources, alarms(this.serverless.service));
  }

  // A browser that puts a list to its link asks the bucket first; whose pages may is what the functions are told.
  crossOrigin() {
    const origins = this.serverless.service.provider.environment.CORS_ALLOWED_ORIGINS.split(",");
    const AllowedOrigins = origins.map((origin) => origin.trim()).filter(Boolean);
    return { CorsRules: [{ AllowedMethods: ["GET", "PUT"], AllowedHeaders: ["content-type"], AllowedOrigins, MaxAge: 86400 }] };
  }

  statements(id, fn) {
    const log = { "Fn::Sub": `${ARN}:logs:${HERE}:log-group:/aws/lambda/${fn.name}:*` };
    const queue = ["SendMessage", "GetQueueAttributes", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility"];
    return [
      allow(["logs:CreateLogStream", "logs:PutLogEvents"], log),
      ...(fn.uses || []).flatMap((use) => USES[use](this.stage)),
      ...(this.fansOut(fn) ? [allow(queue.map((verb) => `sqs:${verb}`), { "Fn::GetAtt": [`${id}Queue`, "Arn"] })] : []),
    ];
  }

  // EventBridge Scheduler, which may call this function and nothing else.
  addSchedule(id, functionId, fn, rate) {
    const target = { "Fn::Sub": `${ARN}:lambda:${HERE}:function:${fn.name}` };
    const starts = allow(["lambda:InvokeFunction"], target);
    this.resources[`${id}ScheduleRole`] = role("scheduler.amazonaws.com", [starts], FOR_US);
    this.resources[`${id}Schedule`] = {
      Type: "AWS::Scheduler::Schedule",
      Properties: {
        ScheduleExpression: rate,
        FlexibleTimeWindow: { Mode: "OFF" },
        Target: {
          Arn: { "Fn::GetAtt": [functionId, "Arn"] },
          RoleArn: { "Fn::GetAtt": [`${id}ScheduleRole`, "Arn"] },
          RetryPolicy: { MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60 },
        },
      },
    };
  }

  // A message whose worker died comes again when its visibility ends, three times, and then lies where an alarm sees it.
  addQueue(id, functionId, fn) {
    const kept = { SqsManagedSseEnabled: true, MessageRetentionPeriod: 1209600 };
    this.resources[`${id}DeadLetters`] = { Type: "AWS::SQS::Queue", Properties: kept };
    this.resources[`${id}Queue`] = {
      Type: "AWS::SQS::Queue",
      Properties: {
        SqsManagedSseEnabled: true,
        MessageRetentionPeriod: 3600,
        VisibilityTimeout: 6 * fn.timeout,
        RedrivePolicy: { deadLetterTargetArn: { "Fn::GetAtt": [`${id}DeadLetters`, "Arn"] }, maxReceiveCount: 3 },
      },
    };
    this.resources[`${id}Messages`] = {
      Type: "AWS::Lambda::EventSourceMapping",
      DependsOn: [`${id}Role`],
      Properties: {
        EventSourceArn: { "Fn::GetAtt": [`${id}Queue`, "Arn"] },
        FunctionName: { "Fn::GetAtt": [functionId, "Arn"] },
        BatchSize: 1,
        FunctionResponseTypes: ["ReportBatchItemFailures"],
        ScalingConfig: { MaximumConcurrency: fn.fanOut },
      },
    };
  }
}

module.exports = Deployment;
