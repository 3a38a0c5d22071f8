// Writes the dashboard as TypeScript into the folder named: tsc then holds it against the types of @grafana/schema.
import fs from "node:fs";

const [file, folder] = process.argv.slice(2);
const dashboard = JSON.parse(fs.readFileSync(file, "utf8"));
const kinds = {
  stat: "Stat",
  table: "Table",
  timeseries: "TimeSeries",
  bargauge: "BarGauge",
  "state-timeline": "StateTimeline",
};
const head = `
import type * as schema from "@grafana/schema";
${Object.entries(kinds)
  .map(
    ([kind, name]) =>
      `import type * as ${name} from "@grafana/schema/dist/types/raw/composable/${kind.replace("-", "")}/panelcfg/x/${name}PanelCfg_types.gen.d.ts";`,
  )
  .join("\n")}

/** A type of the schema, with text where JSON has text for an enumeration. */
type Plain<T> = unknown extends T ? T
  : T extends string ? \`\${T}\`
  : T extends (infer Item)[] ? Plain<Item>[]
  : T extends object ? { [Key in keyof T]: Plain<T[Key]> }
  : T;
type Target = schema.DataQuery & {
  expr: string; legendFormat: string; editorMode: "code"; range: boolean; instant: boolean; format?: "table" };
type Annotation = schema.AnnotationQuery & {
  titleFormat: string; textFormat: string; tagKeys: string; target: schema.DataQuery & { expr: string; interval: string } };
type Config<Custom> = Plain<schema.FieldConfig<Partial<Custom>>>;
type Some<Kind, Options, Custom> = Plain<Omit<schema.Panel, "type" | "options" | "targets" | "fieldConfig">> & {
  type: Kind; options: Plain<Options>; targets: Target[];
  fieldConfig: { defaults: Config<Custom>; overrides: Plain<schema.FieldConfigSource["overrides"]> };
};
type Row = Omit<Plain<schema.RowPanel>, "panels"> & { panels: Shown[] };
type Shown =
  | Some<"stat", Stat.Options, {}>
  | Some<"bargauge", BarGauge.Options, {}>
  | Some<"table", Table.Options, Table.FieldConfig>
  | Some<"timeseries", TimeSeries.Options, TimeSeries.FieldConfig>
  | Some<"state-timeline", StateTimeline.Options, StateTimeline.FieldConfig>;
type Whole = Omit<Plain<schema.Dashboard>, "panels" | "annotations" | "templating"> & {
  panels: (Row | Shown)[];
  annotations: { list: (Annotation | Plain<schema.AnnotationQuery>)[] };
  templating: { list: (Plain<schema.VariableModel> & { definition?: string })[] };
};
`;

// The properties of an override are pairs of a path and a value: as an object they have a type too.
const all = dashboard.panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
const overrides = all
  .flatMap((panel) => panel.fieldConfig?.overrides ?? [])
  .map(({ properties }) => {
    const config = {};
    for (const { id, value } of properties) {
      const [first, second] = id.split(".");
      if (second) config[first] = { ...config[first], [second]: value };
      else config[first] = value;
    }
    return config;
  });
fs.writeFileSync(
  `${folder}/dashboard.ts`,
  `${head}
export const overrides: Config<Table.FieldConfig>[] = ${JSON.stringify(overrides, null, 1)};
export const dashboard: Whole = ${JSON.stringify(dashboard, null, 1)};
`,
);
