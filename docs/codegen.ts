/**
 * GraphQL Code Generator: types of the shop's operations for a TypeScript application.
 *
 * Copy to the application's folder, start the shop with `make up`, and run
 *
 *     npm install --save-dev @graphql-codegen/cli @graphql-codegen/client-preset
 *     npx graphql-codegen --config codegen.ts
 */
import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  schema: `${process.env.SHOP_URL ?? "http://localhost:8000"}/graphql`,
  documents: ["src/**/*.{ts,tsx}", "!src/gql/**"],
  importExtension: ".ts",
  generates: {
    "src/gql/": {
      preset: "client",
      // Without masking, a mutation's payload has the same type as the query that it updates.
      presetConfig: { fragmentMasking: false },
      config: {
        // A Decimal, such as "28.99", is a string, so that no digit is lost. A DateTime is in RFC 3339.
        scalars: { ID: "string", Decimal: "string", DateTime: "string" },
        // Fail on a scalar without a type instead of typing it as any.
        strictScalars: true,
        useTypeImports: true,
      },
    },
  },
};

export default config;
